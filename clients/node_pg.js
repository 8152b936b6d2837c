// node-postgres: text formats, named statements, a pool, cursors by portals, COPY by streams.

const { pipeline } = require('node:stream/promises');
const { Readable } = require('node:stream');
const { Client, Pool } = require('pg');
const Cursor = require('pg-cursor');
const { to: copyTo, from: copyFrom } = require('pg-copy-streams');
const { dsn, feature, mistakes, mustFail, same, small, table, typed } = require('./node_harness.js');

const open = async (statements = []) => {
  const client = new Client(dsn);
  await client.connect();
  for (const sql of statements) await client.query(sql);
  return client;
};
const values = async (client, sql, parameters) =>
  (await client.query({ text: sql, values: parameters, rowMode: 'array' })).rows;

const main = async () => {
  await feature('connect', async () => {
    const client = await open();
    same(await values(client, 'SELECT current_database()'), [['zxq']]);
    await client.end();
  });

  await feature('rows', async () => {
    const t = table('rows');
    const client = await open(typed(t));
    const result = await client.query(`SELECT *, day::text AS day_text, seen::text AS seen_text FROM ${t} ORDER BY id`);
    const [first, second, third] = result.rows;
    same(
      [first.id, first.n, first.name, first.note, first.price, first.f, first.ok],
      ['1', 10, "O'Neil", 'tab\tback\\slash é', '1.5000', 0.5, true],
    );
    same(
      [first.day_text, first.seen_text, first.ts.toISOString()],
      ['2024-02-29', '2024-02-29 12:30:00.25', '2024-02-29T12:30:00.250Z'],
    );
    same(
      [first.raw.toString('hex'), first.uid, first.tags, first.doc],
      ['00ff27', '00000000-0000-0000-0000-000000000001', ['a', 'b c', null], { a: [1, 2] }],
    );
    same(
      [second.n, second.name, second.price, second.f, second.tags, second.doc],
      [-2147483648, '', '-99999999.9999', -1e300, [], {}],
    );
    same(
      Object.values(third).filter((value) => value !== null),
      ['3'],
    );
    same(
      result.fields.slice(0, 5).map((field) => field.dataTypeID),
      [20, 23, 1043, 25, 1700],
    );
    await client.end();
  });

  await feature('params', async () => {
    const t = table('params');
    const client = await open(typed(t, false));
    const moment = new Date('2024-02-29T12:30:00.250Z');
    const inserted = await client.query(
      `INSERT INTO ${t} (id, n, name, price, f, ok, day, ts, raw, uid, tags, doc) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12), (2, $13, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`,
      [
        1,
        10,
        "it's",
        '1.50',
        0.5,
        true,
        '2024-02-29',
        moment,
        Buffer.from([0, 255]),
        '00000000-0000-0000-0000-000000000001',
        ['a', null],
        { a: 1 },
        null,
      ],
    );
    same([inserted.command, inserted.rowCount], ['INSERT', 2]);
    same(
      await values(
        client,
        `SELECT id FROM ${t} WHERE n = $1 AND name = $2 AND price = $3 AND f < $4 AND ok = $5 AND day = $6 AND ts = $7 AND uid = $8`,
        [10, "it's", 1.5, 1, true, '2024-02-29', moment, '00000000-0000-0000-0000-000000000001'],
      ),
      [['1']],
    );
    same(await values(client, `SELECT id FROM ${t} WHERE id = ANY($1) ORDER BY id LIMIT $2`, [[2, 3, 1], 5]), [['1'], ['2']]);
    same(await values(client, 'SELECT $1::text IS NULL, $2::int + 1, $3::json', [null, '41', { x: 1 }]), [
      [true, 42, { x: 1 }],
    ]);
    for (const id of [1, 2, 9, 1])
      same(
        (await client.query({ name: 'by id', text: `SELECT n FROM ${t} WHERE id = $1`, values: [id] })).rows.length,
        id === 9 ? 0 : 1,
      );
    same(
      (await client.query('SELECT 1 AS x; SELECT 2 AS y WHERE false')).map((part) => part.rows),
      [[{ x: 1 }], []],
    );
    same((await client.query(`INSERT INTO ${t} (id, name) VALUES ($1, $2) RETURNING id, name`, [3, 'given back'])).rows, [
      { id: '3', name: 'given back' },
    ]);
    await client.end();
  });

  await feature('transactions', async () => {
    const t = table('transactions');
    const beside = await open(small(t));
    const client = await open();
    const count = async (c) => (await values(c, `SELECT count(*)::int FROM ${t}`))[0][0];
    await client.query('BEGIN');
    await client.query(`INSERT INTO ${t} VALUES ($1, 'gone')`, [1]);
    same([await count(client), await count(beside)], [1, 0]);
    await client.query('ROLLBACK');
    same(await count(client), 0);
    await client.query('BEGIN');
    await client.query(`INSERT INTO ${t} VALUES (2, 'kept')`);
    await client.query('SAVEPOINT s');
    await mustFail('22012', () => client.query('SELECT 1/0'));
    await mustFail('25P02', () => client.query('SELECT $1::int', [1]));
    await client.query('ROLLBACK TO SAVEPOINT s');
    await client.query('COMMIT');
    same(await values(beside, `SELECT id, name FROM ${t}`), [['2', 'kept']]);
    await client.end();
    await beside.end();
  });

  await feature('copy out', async () => {
    const t = table('copy_out');
    const client = await open(small(t, 3));
    const parts = [];
    for await (const part of client.query(copyTo(`COPY (SELECT * FROM ${t} ORDER BY id) TO STDOUT WITH (FORMAT csv)`)))
      parts.push(part);
    same(Buffer.concat(parts).toString(), '1,name 1\n2,name 2\n3,name 3\n');
    await client.end();
  });

  await feature('copy in', async () => {
    const t = table('copy_in');
    const client = await open(small(t));
    await pipeline(Readable.from(['1\ta\\t', 'b\n2\t\\N\n']), client.query(copyFrom(`COPY ${t} FROM STDIN`)));
    await mustFail('22P02', () => pipeline(Readable.from(['x\ty\n']), client.query(copyFrom(`COPY ${t} FROM STDIN`))));
    same(await values(client, `SELECT id, name FROM ${t} ORDER BY id`), [
      ['1', 'a\tb'],
      ['2', null],
    ]);
    await client.end();
  });

  await feature('cursor', async () => {
    const t = table('cursor');
    const client = await open(small(t, 5000));
    const cursor = client.query(new Cursor(`SELECT id::int AS id FROM ${t} WHERE id > $1 ORDER BY id`, [10]));
    let sum = 0;
    for (let rows = await cursor.read(300); rows.length; rows = await cursor.read(300)) for (const row of rows) sum += row.id;
    same(sum, 12502500 - 55);
    const half = client.query(new Cursor(`SELECT id FROM ${t}`));
    same((await half.read(10)).length, 10);
    await half.close();
    same(await values(client, 'SELECT 1'), [[1]]);
    await client.end();
  });

  await feature('pool', async () => {
    const pool = new Pool({ connectionString: dsn, max: 4 });
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => pool.query('SELECT $1::int + 1 AS v', [i])));
    same(
      answers.reduce((sum, answer) => sum + answer.rows[0].v, 0),
      210,
    );
    await pool.end();
  });

  await feature('errors', async () => {
    const t = table('errors');
    const client = await open(small(t, 1));
    for (const [code, sql] of mistakes(t)) {
      await mustFail(code, () => client.query(sql));
      await mustFail(code, () => client.query({ text: sql, values: [], queryMode: 'extended' }));
    }
    const error = await mustFail('42P01', () => client.query('SELECT *\nFROM no_such_table'));
    same([error.severity, error.position], ['ERROR', '15']);
    same(await values(client, 'SELECT 1'), [[1]]);
    await client.end();
  });

  await feature('bulk', async () => {
    const t = table('bulk');
    const client = await open(small(t));
    const ids = Array.from({ length: 2000 }, (_, i) => i + 1);
    await client.query(`INSERT INTO ${t} SELECT * FROM unnest($1::bigint[], $2::text[])`, [ids, ids.map((id) => `n${id}`)]);
    await pipeline(
      Readable.from(
        (function* () {
          for (let i = 2001; i <= 20000; i++) yield `${i}\tn${i}\n`;
        })(),
      ),
      client.query(copyFrom(`COPY ${t} FROM STDIN`)),
    );
    same(await values(client, `SELECT count(*)::int, sum(id)::int, count(DISTINCT name)::int FROM ${t}`), [
      [20000, 200010000, 20000],
    ]);
    await client.end();
  });
};

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
