//! Statements: SQL text split at its semicolons, parsed and classified.

use std::fmt;

use arrow::datatypes::DataType;
use datafusion::sql::parser::{DFParserBuilder, Statement as DfStatement};
use datafusion::sql::sqlparser::ast::{self, ObjectType, Statement as Ast};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};

use crate::error::{Result, type_names};
use crate::sql::alter_sequence::{self, AlterSequence};
use crate::sql::dialect::ZxqDialect;
use crate::sql::role_statement::{self, RoleStatement};
use crate::sql::set_schema::{self, SetSchema};
use crate::sql::syntax_error::{self, expected};
use crate::sql::{
    budget, columns_without_types, depth, explain_options, select_into, sequence_options, table_command, text_literals,
};

#[cfg(test)]
mod tests;
mod text_index;

use text_index::TextIndex;

/// How deeply expressions may nest. The parser grows its stack, so this only stops absurd text.
const RECURSION_LIMIT: usize = 300;

/// The dialect of every SQL text zxq reads.
pub const DIALECT: ZxqDialect = ZxqDialect;

/// What a statement does, as far as the engine and the server treat statements differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StatementKind {
    /// `SELECT`, `WITH`, `VALUES`, `TABLE`: returns rows, changes nothing.
    Query,
    /// `EXPLAIN` of anything, with or without `ANALYZE`.
    Explain,
    /// `INSERT`.
    Insert,
    /// `UPDATE`.
    Update,
    /// `DELETE`.
    Delete,
    /// `MERGE`.
    Merge,
    /// `TRUNCATE`.
    Truncate,
    /// `CREATE TABLE`, also `CREATE TABLE … AS`.
    CreateTable,
    /// `CREATE EXTERNAL TABLE`.
    CreateExternalTable,
    /// `DROP TABLE`.
    DropTable,
    /// `ALTER TABLE`.
    AlterTable,
    /// `ALTER SEQUENCE`.
    AlterSequence,
    /// `ALTER TABLE … SET SCHEMA`, also of views and sequences.
    SetSchema,
    /// `CREATE VIEW`.
    CreateView,
    /// `DROP VIEW`.
    DropView,
    /// `CALL`.
    Call,
    /// `SET`, every form but `SET TRANSACTION` and its like.
    Set,
    /// `RESET`.
    Reset,
    /// `SHOW`.
    Show,
    /// `DESCRIBE`.
    Describe,
    /// `CREATE ROLE`, `GRANT` and all others about roles and privileges.
    Role,
    /// Anything else that parses: indexes, comments and other objects, what the server does by itself, and what zxq refuses.
    Other,
}

/// One parsed SQL statement with its own text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    parsed: DfStatement,
    text: String,
    kind: StatementKind,
    own: Own,
}

/// What is read here, since the library's parser does not know it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Own {
    Nothing,
    Role(Box<RoleStatement>),
    AlterSequence(Box<AlterSequence>),
    SetSchema(Box<SetSchema>),
}

impl Statement {
    /// The statement's SQL, without the semicolon and without surrounding white space and comments.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it does.
    pub fn kind(&self) -> StatementKind {
        self.kind
    }

    /// What DataFusion's planner takes. It lacks roles, ALTER SEQUENCE and SET SCHEMA: for those this is a statement that it
    /// refuses.
    pub fn parsed(&self) -> &DfStatement {
        &self.parsed
    }

    /// The parsed statement, given away.
    pub fn into_parsed(self) -> DfStatement {
        self.parsed
    }

    /// The same statement with this syntax tree.
    pub fn with_parsed(&self, parsed: DfStatement) -> Statement {
        Statement { parsed, text: self.text.clone(), kind: self.kind, own: self.own.clone() }
    }

    /// The statement that a query is.
    pub fn of_query(query: &ast::Query) -> Statement {
        let parsed = DfStatement::Statement(Box::new(Ast::Query(Box::new(query.clone()))));
        Statement { text: query.to_string(), kind: classify(&parsed), parsed, own: Own::Nothing }
    }

    /// The syntax tree, unless the statement is one of DataFusion's own (`EXPLAIN`, `COPY … TO 'file'`, `RESET`,
    /// `CREATE EXTERNAL TABLE`).
    pub fn ast(&self) -> Option<&Ast> {
        match &self.parsed {
            DfStatement::Statement(ast) => Some(ast),
            _ => None,
        }
    }

    /// What it says about roles and privileges, where it is about them.
    pub fn role(&self) -> Option<&RoleStatement> {
        match &self.own {
            Own::Role(role) => Some(role),
            _ => None,
        }
    }

    /// What it changes of a sequence, where it is `ALTER SEQUENCE`.
    pub fn alter_sequence(&self) -> Option<&AlterSequence> {
        match &self.own {
            Own::AlterSequence(alter) => Some(alter),
            _ => None,
        }
    }

    /// What goes to which schema, where it is `ALTER … SET SCHEMA`.
    pub fn set_schema(&self) -> Option<&SetSchema> {
        match &self.own {
            Own::SetSchema(set) => Some(set),
            _ => None,
        }
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Parses SQL text into its statements, one entry per statement between semicolons; empty statements are left out.
///
/// # Errors
/// [`crate::error::ErrorKind::Syntax`], naming the offending token, its line and column (both from 1, in `sql` as a
/// whole) and what was expected there.
pub fn parse(sql: &str) -> Result<Vec<Statement>> {
    let tokens =
        Tokenizer::new(&DIALECT, sql).tokenize_with_location().map_err(|e| syntax_error::from_parser(&e.into()))?;
    let mut statements = Vec::with_capacity(1);
    let mut index = TextIndex::new(sql);
    let mut current: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut line_ended = false;
    for token in tokens {
        if let Token::Whitespace(space) = &token.token {
            line_ended |= text_literals::ends_line(space);
            continue;
        }
        let continues = line_ended && text_literals::continues(current.last_mut(), &token);
        line_ended = false;
        if token.token == Token::SemiColon {
            push_statement(&mut statements, std::mem::take(&mut current), &mut index)?;
        } else if !continues {
            current.push(token);
        }
    }
    push_statement(&mut statements, current, &mut index)?;
    Ok(statements)
}

/// Parses the text of one expression, as table definitions keep them.
///
/// # Errors
/// As [`parse`].
pub fn parse_expression(sql: &str) -> Result<ast::Expr> {
    let tokens =
        Tokenizer::new(&DIALECT, sql).tokenize_with_location().map_err(|e| syntax_error::from_parser(&e.into()))?;
    depth::check(&tokens)?;
    budget::within(tokens.len(), || {
        let mut parser = Parser::new(&DIALECT).with_tokens_with_locations(tokens).with_recursion_limit(RECURSION_LIMIT);
        let expr = parser.parse_expr().map_err(|e| syntax_error::from_parser(&e))?;
        match parser.peek_token().token {
            Token::EOF => Ok(expr),
            _ => Err(expected("end of expression", &parser.peek_token())),
        }
    })
}

/// A type as SQL has it in its syntax tree.
///
/// # Errors
/// [`crate::error::ErrorKind::Syntax`] for a type that has no name in SQL.
pub fn type_in_sql(data_type: &DataType) -> Result<ast::DataType> {
    type_named(&type_names::of(data_type))
}

/// The type of a name, as SQL has it in its syntax tree.
///
/// # Errors
/// [`crate::error::ErrorKind::Syntax`] for what names no type.
pub(super) fn type_named(name: &str) -> Result<ast::DataType> {
    let mut parser = Parser::new(&DIALECT).try_with_sql(name).map_err(|e| syntax_error::from_parser(&e))?;
    parser.parse_data_type().map_err(|e| syntax_error::from_parser(&e))
}

fn push_statement(
    statements: &mut Vec<Statement>,
    tokens: Vec<TokenWithSpan>,
    index: &mut TextIndex<'_>,
) -> Result<()> {
    let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return Ok(()) };
    let text = index.slice(first.span.start, last.span.end);
    let own = if let Some(role) = role_statement::parse(&tokens)? {
        Some((StatementKind::Role, Own::Role(Box::new(role))))
    } else if let Some(set) = set_schema::parse(&tokens)? {
        Some((StatementKind::SetSchema, Own::SetSchema(Box::new(set))))
    } else {
        let alter = alter_sequence::parse(&tokens)?;
        alter.map(|alter| (StatementKind::AlterSequence, Own::AlterSequence(Box::new(alter))))
    };
    if let Some((kind, own)) = own {
        let parsed = DfStatement::Statement(Box::new(Ast::Raise(ast::RaiseStatement { value: None })));
        statements.push(Statement { parsed, text, kind, own });
        return Ok(());
    }
    let mut parsed = parse_one(tokens)?;
    select_into::unfold(&mut parsed);
    let kind = classify(&parsed);
    statements.push(Statement { parsed, text, kind, own: Own::Nothing });
    Ok(())
}

pub(super) fn keyword_at(tokens: &[TokenWithSpan], position: usize) -> Option<Keyword> {
    match tokens.get(position).map(|t| &t.token) {
        Some(Token::Word(word)) => Some(word.keyword),
        _ => None,
    }
}

/// Parses the tokens of one statement: through DataFusion's parser where the statement may be one of its own, and
/// straight through sqlparser otherwise.
fn parse_one(tokens: Vec<TokenWithSpan>) -> Result<DfStatement> {
    depth::check(&tokens)?;
    budget::within(tokens.len(), || parse_checked(tokens))
}

fn parse_checked(mut tokens: Vec<TokenWithSpan>) -> Result<DfStatement> {
    refuse_reserved(&tokens)?;
    table_command::unfold(&mut tokens);
    columns_without_types::unfold(&mut tokens);
    sequence_options::order(&mut tokens);
    match keyword_at(&tokens, 0) {
        Some(Keyword::EXPLAIN) => {
            explain_options::unfold(&mut tokens)?;
            if keyword_at(&tokens, 1) == Some(Keyword::COPY) {
                return Err(expected("a query or INSERT after EXPLAIN", &tokens[1]));
            }
            parse_with_datafusion(tokens)
        }
        Some(Keyword::RESET) => parse_with_datafusion(tokens),
        Some(Keyword::CREATE) if is_external_table(&tokens) => parse_with_datafusion(tokens),
        Some(Keyword::COPY) if copies_to_file(&tokens) => {
            // COPY … TO 'file' STORED AS … is DataFusion's; COPY … TO 'file' WITH (…) is PostgreSQL's.
            match parse_with_datafusion(tokens.clone()) {
                Ok(statement) => Ok(statement),
                Err(_) => parse_with_sqlparser(tokens),
            }
        }
        _ => {
            if let Some(TokenWithSpan { token: Token::Word(word), .. }) = tokens.first_mut()
                && word.quote_style.is_none()
                && word.value.eq_ignore_ascii_case("abort")
            {
                *word = bare_word("ROLLBACK", Keyword::ROLLBACK);
            }
            parse_with_sqlparser(tokens)
        }
    }
}

/// `FROM` and a word that no table can be called by: the parser would take it for one.
fn refuse_reserved(tokens: &[TokenWithSpan]) -> Result<()> {
    use Keyword::{FROM, GROUP, HAVING, LIMIT, ON, ORDER, UNION, WHERE};
    let is_bare = |at: usize, any: &[Keyword]| match tokens.get(at).map(|token| &token.token) {
        Some(Token::Word(word)) => word.quote_style.is_none() && any.contains(&word.keyword),
        _ => false,
    };
    let reserved = [FROM, GROUP, HAVING, LIMIT, ON, ORDER, UNION, WHERE];
    match (1..tokens.len()).find(|at| is_bare(at - 1, &[FROM]) && is_bare(*at, &reserved)) {
        Some(at) => Err(expected("the name of a table", &tokens[at])),
        None => Ok(()),
    }
}

fn parse_with_datafusion(tokens: Vec<TokenWithSpan>) -> Result<DfStatement> {
    let mut parser = DFParserBuilder::new(tokens)
        .with_dialect(&DIALECT)
        .with_recursion_limit(RECURSION_LIMIT)
        .build()
        .map_err(syntax_error::from_datafusion)?;
    let statement = parser.parse_statement().map_err(syntax_error::from_datafusion)?;
    expect_end(&parser.parser)?;
    Ok(statement)
}

fn parse_with_sqlparser(tokens: Vec<TokenWithSpan>) -> Result<DfStatement> {
    let mut parser = Parser::new(&DIALECT).with_tokens_with_locations(tokens).with_recursion_limit(RECURSION_LIMIT);
    let statement = parser.parse_statement().map_err(|e| syntax_error::from_parser(&e))?;
    expect_end(&parser)?;
    Ok(DfStatement::Statement(Box::new(statement)))
}

fn expect_end(parser: &Parser<'_>) -> Result<()> {
    let next = parser.peek_token();
    match next.token {
        Token::EOF => Ok(()),
        _ => Err(expected("end of statement", &next)),
    }
}

fn is_external_table(tokens: &[TokenWithSpan]) -> bool {
    (1..=4).map_while(|i| keyword_at(tokens, i)).any(|k| k == Keyword::EXTERNAL)
}

fn copies_to_file(tokens: &[TokenWithSpan]) -> bool {
    tokens.windows(2).any(|pair| {
        matches!(&pair[0].token, Token::Word(w) if w.keyword == Keyword::TO)
            && matches!(pair[1].token, Token::SingleQuotedString(_))
    })
}

pub(super) fn bare_word(text: &str, keyword: Keyword) -> Word {
    Word { value: text.to_owned(), quote_style: None, keyword }
}

fn classify(statement: &DfStatement) -> StatementKind {
    match statement {
        DfStatement::Explain(_) => StatementKind::Explain,
        DfStatement::CopyTo(_) => StatementKind::Other,
        DfStatement::Reset(_) => StatementKind::Reset,
        DfStatement::CreateExternalTable(_) => StatementKind::CreateExternalTable,
        DfStatement::Statement(ast) => classify_ast(ast),
    }
}

fn classify_ast(ast: &Ast) -> StatementKind {
    match ast {
        Ast::Query(query) => classify_query(query),
        Ast::Insert(_) => StatementKind::Insert,
        Ast::Update(_) => StatementKind::Update,
        Ast::Delete(_) => StatementKind::Delete,
        Ast::Merge(_) => StatementKind::Merge,
        Ast::Truncate(_) => StatementKind::Truncate,
        Ast::CreateTable(_) => StatementKind::CreateTable,
        Ast::AlterTable(_) => StatementKind::AlterTable,
        Ast::CreateView(_) => StatementKind::CreateView,
        Ast::Drop { object_type, .. } => match object_type {
            ObjectType::Table => StatementKind::DropTable,
            ObjectType::View => StatementKind::DropView,
            _ => StatementKind::Other,
        },
        Ast::Call(_) => StatementKind::Call,
        Ast::Set(ast::Set::SetTransaction { .. }) => StatementKind::Other,
        Ast::Set(_) => StatementKind::Set,
        Ast::Reset(_) => StatementKind::Reset,
        Ast::ShowVariable { .. }
        | Ast::ShowVariables { .. }
        | Ast::ShowTables { .. }
        | Ast::ShowColumns { .. }
        | Ast::ShowCreate { .. }
        | Ast::ShowFunctions { .. }
        | Ast::ShowSchemas { .. }
        | Ast::ShowDatabases { .. }
        | Ast::ShowViews { .. }
        | Ast::ShowCatalogs { .. }
        | Ast::ShowStatus { .. }
        | Ast::ShowCollation { .. } => StatementKind::Show,
        Ast::ExplainTable { .. } => StatementKind::Describe,
        Ast::Explain { .. } => StatementKind::Explain,
        _ => StatementKind::Other,
    }
}

/// `WITH … INSERT` parses as a query whose body is the change.
fn classify_query(query: &ast::Query) -> StatementKind {
    match query.body.as_ref() {
        ast::SetExpr::Insert(_) => StatementKind::Insert,
        ast::SetExpr::Update(_) => StatementKind::Update,
        ast::SetExpr::Delete(_) => StatementKind::Delete,
        ast::SetExpr::Merge(_) => StatementKind::Merge,
        _ => StatementKind::Query,
    }
}
