// What both clients in Node share: rows of every type, and how a result is told.

const assert = require('node:assert/strict');
const env = (name) => process.env[`ZXQ_CLIENT_${name}`];
const wanted = env('FEATURES').split(',');

exports.dsn = env('DSN');
exports.same = assert.deepEqual;

exports.feature = async (name, run) => {
  if (!wanted.includes(name)) return;
  try {
    await run();
    console.log(`ok\t${name}`);
  } catch (error) {
    console.log(`no\t${name}\t${error.code ?? ''} ${String(error.message).replace(/\s+/g, ' ').slice(0, 600)}`);
  }
};

exports.mustFail = async (code, run) => {
  try {
    await run();
  } catch (error) {
    if (error.code !== code) throw new Error(`SQLSTATE of ${error.message}: got ${error.code}, not ${code}`);
    return error;
  }
  throw new Error(`no error where ${code} is due`);
};

exports.table = (feature) => `${env('PREFIX')}_${feature}`;
exports.small = (table, rows = 0) => [
  `DROP TABLE IF EXISTS ${table}`,
  `CREATE TABLE ${table} (id BIGINT NOT NULL CHECK (id > 0), name TEXT)`,
  `INSERT INTO ${table} SELECT g, 'name ' || g FROM generate_series(1, ${rows}) AS s(g)`,
];
exports.typed = (table, rows = true) => [
  `DROP TABLE IF EXISTS ${table}`,
  `CREATE TABLE ${table} (${env('COLUMNS')})`,
  ...(rows ? [`INSERT INTO ${table} VALUES ${env('VALUES')}`] : []),
];
exports.mistakes = (table) =>
  env('MISTAKES')
    .replaceAll('@T', table)
    .split('\n')
    .map((line) => line.split('\t'));
