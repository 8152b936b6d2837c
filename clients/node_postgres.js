// Postgres.js: statements prepared and sent ahead, types asked of pg_catalog, transactions as functions, cursors as iterators.

const fs = require('node:fs');
const { pipeline } = require('node:stream/promises');
const { Readable } = require('node:stream');
const postgres = require('postgres');
const { dsn, feature, mistakes, mustFail, same, small, table, typed } = require('./node_harness.js');

// The options are written in the documentation as they are run here.
const connect = (more = {}) =>
  new Function('postgres', 'fs', 'more', `return ((url, options) => postgres(url, { ...options, ...more }))(${dsn})`)(
    postgres,
    fs,
    more,
  );
const open = async (statements = [], more = {}) => {
  const sql = connect({ max: 1, onnotice: () => {}, ...more });
  for (const statement of statements) await sql.unsafe(statement);
  return sql;
};

const main = async () => {
  await feature('connect', async () => {
    const sql = await open();
    same((await sql`SELECT current_database() AS d`)[0].d, 'zxq');
    await sql.end();
  });

  await feature('rows', async () => {
    const t = table('rows');
    const sql = await open(typed(t));
    const result = await sql`SELECT *, day::text AS day_text, seen::text AS seen_text FROM ${sql(t)} ORDER BY id`;
    const [first, second, third] = result;
    same(
      [first.id, first.n, first.name, first.note, first.price, first.f, first.ok],
      ['1', 10, "O'Neil", 'tab\tback\\slash é', '1.5000', 0.5, true],
    );
    same(
      [first.day_text, first.seen_text, first.ts.toISOString()],
      ['2024-02-29', '2024-02-29 12:30:00.25', '2024-02-29T12:30:00.250Z'],
    );
    // It reads a NULL within an array as the text NULL.
    same(
      [first.raw.toString('hex'), first.uid, first.tags.slice(0, 2), first.doc],
      ['00ff27', '00000000-0000-0000-0000-000000000001', ['a', 'b c'], { a: [1, 2] }],
    );
    same(
      [second.n, second.name, second.price, second.f, [...second.tags], second.doc],
      [-2147483648, '', '-99999999.9999', -1e300, [], {}],
    );
    same(
      Object.values(third).filter((value) => value !== null),
      ['3'],
    );
    same(
      result.columns.slice(0, 5).map((column) => column.type),
      [20, 23, 1043, 25, 1700],
    );
    await sql.end();
  });

  await feature('params', async () => {
    const t = table('params');
    const sql = await open(typed(t, false));
    const moment = new Date('2024-02-29T12:30:00.250Z');
    const row = {
      id: 1,
      n: 10,
      name: "it's",
      price: '1.50',
      f: 0.5,
      ok: true,
      day: '2024-02-29',
      ts: moment,
      raw: Buffer.from([0, 255]),
      uid: '00000000-0000-0000-0000-000000000001',
      tags: ['a', 'b c'],
      doc: { a: 1 },
    };
    same((await sql`INSERT INTO ${sql(t)} ${sql(row)}`).count, 1);
    same(
      (
        await sql`INSERT INTO ${sql(t)} ${sql(
          [
            { id: 2, n: null },
            { id: 3, n: 7 },
          ],
          'id',
          'n',
        )} RETURNING id`
      ).map((r) => r.id),
      ['2', '3'],
    );
    same(
      (
        await sql`SELECT id FROM ${sql(t)} WHERE n = ${10} AND name = ${"it's"} AND price = ${'1.5'} AND f < ${1} AND ok = ${true} AND day = ${'2024-02-29'} AND ts = ${moment} AND uid = ${row.uid}`
      ).map((r) => r.id),
      ['1'],
    );
    same((await sql`SELECT tags, doc FROM ${sql(t)} WHERE id = ${1}`)[0], { tags: ['a', 'b c'], doc: { a: 1 } });
    same(
      (await sql`SELECT id FROM ${sql(t)} WHERE id IN ${sql([1, 3, 9])} ORDER BY id LIMIT ${5}`).map((r) => r.id),
      ['1', '3'],
    );
    same(
      (await sql`SELECT id FROM ${sql(t)} WHERE id = ANY(${[1, 2]}) ORDER BY id`).map((r) => r.id),
      ['1', '2'],
    );
    for (let i = 0; i < 5; i++) same((await sql`SELECT ${i}::int + 1 AS v`)[0].v, i + 1);
    same((await sql.unsafe('SELECT $1::int + 1 AS v', [41]))[0].v, 42);
    await sql.end();
  });

  await feature('transactions', async () => {
    const t = table('transactions');
    const beside = await open(small(t));
    const sql = await open();
    const count = async (s) => (await s`SELECT count(*)::int AS n FROM ${s(t)}`)[0].n;
    try {
      await sql.begin(async (s) => {
        await s`INSERT INTO ${s(t)} VALUES (${1}, 'gone')`;
        same([await count(s), await count(beside)], [1, 0]);
        throw new RangeError('given up');
      });
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
    same(await count(sql), 0);
    await sql.begin(async (s) => {
      await s`INSERT INTO ${s(t)} VALUES (2, 'kept')`;
      await mustFail('22012', () => s.savepoint((inner) => inner`SELECT 1/0`));
    });
    await mustFail('25006', () => sql.begin('read only', (s) => s`INSERT INTO ${s(t)} VALUES (3, 'no')`));
    same(
      (await beside`SELECT id, name FROM ${beside(t)}`).map((r) => [r.id, r.name]),
      [['2', 'kept']],
    );
    await sql.end();
    await beside.end();
  });

  await feature('copy out', async () => {
    const t = table('copy_out');
    const sql = await open(small(t, 3));
    const parts = [];
    for await (const part of await sql.unsafe(`COPY (SELECT * FROM ${t} ORDER BY id) TO STDOUT WITH (FORMAT csv)`).readable())
      parts.push(part);
    same(Buffer.concat(parts).toString(), '1,name 1\n2,name 2\n3,name 3\n');
    await sql.end();
  });

  await feature('copy in', async () => {
    const t = table('copy_in');
    const sql = await open(small(t));
    await pipeline(Readable.from(['1\ta\\t', 'b\n2\t\\N\n']), await sql.unsafe(`COPY ${t} FROM STDIN`).writable());
    same(
      (await sql`SELECT id, name FROM ${sql(t)} ORDER BY id`).map((r) => [r.id, r.name]),
      [
        ['1', 'a\tb'],
        ['2', null],
      ],
    );
    await sql.end();
  });

  await feature('cursor', async () => {
    const t = table('cursor');
    const sql = await open(small(t, 5000));
    let [sum, parts] = [0, 0];
    for await (const rows of sql`SELECT id::int AS id FROM ${sql(t)} WHERE id > ${10} ORDER BY id`.cursor(300)) {
      parts++;
      for (const row of rows) sum += row.id;
    }
    same([sum, parts], [12502500 - 55, 17]);
    let seen = 0;
    for await (const rows of sql`SELECT id FROM ${sql(t)}`.cursor(10)) {
      seen += rows.length;
      break;
    }
    same([seen, (await sql`SELECT 1 AS one`)[0].one], [10, 1]);
    await sql.end();
  });

  await feature('pool', async () => {
    const sql = connect({ max: 4, max_lifetime: 60 });
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => sql`SELECT ${i}::int + 1 AS v`));
    same(
      answers.reduce((total, answer) => total + answer[0].v, 0),
      210,
    );
    await sql.end();
  });

  await feature('errors', async () => {
    const t = table('errors');
    const sql = await open(small(t, 1));
    for (const [code, statement] of mistakes(t)) {
      await mustFail(code, () => sql.unsafe(statement));
      await mustFail(code, () => sql.unsafe(statement, [], { prepare: true }));
    }
    same((await sql`SELECT 1 AS one`)[0].one, 1);
    await sql.end();
  });

  await feature('bulk', async () => {
    const t = table('bulk');
    const sql = await open(small(t));
    const ids = Array.from({ length: 2000 }, (_, i) => ({ id: i + 1, name: `n${i + 1}` }));
    await sql`INSERT INTO ${sql(t)} ${sql(ids, 'id', 'name')}`;
    await pipeline(
      Readable.from(
        (function* () {
          for (let i = 2001; i <= 20000; i++) yield `${i}\tn${i}\n`;
        })(),
      ),
      await sql.unsafe(`COPY ${t} FROM STDIN`).writable(),
    );
    const [answer] =
      await sql`SELECT count(*)::int AS n, sum(id)::int AS total, count(DISTINCT name)::int AS names FROM ${sql(t)}`;
    same(answer, { n: 20000, total: 200010000, names: 20000 });
    await sql.end();
  });
};

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
