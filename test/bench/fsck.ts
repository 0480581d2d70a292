/**
 * How fast a share on SQLite is checked: `bun test/bench/fsck.ts [files] [runs]`. The database is made row by row, as it would be; no content is read.
 * The last line is JSON.
 */
import { Database } from "bun:sqlite";
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fsck } from "#check/index.ts";
import { Listener, makeRoot, openCheckable } from "../support/damaged-share.ts";
import { temporaryDirectory } from "../support/server.ts";

const files = Number(Bun.argv[2] ?? 500_000);
const runs = Number(Bun.argv[3] ?? 3);
const filesEach = 1000;
const fileBytes = 4096;
const firstId = 1000;

/** Directories of a thousand files, each file with an extent; 4096 of them share a pack. */
async function generate(directory: string): Promise<number> {
  const opened = await openCheckable(directory);
  await makeRoot(opened);
  const { instance } = opened.store.identity;
  await opened.close();
  const db = new Database(join(directory, "metadata.db"));
  const inode = db.prepare(`INSERT INTO inode VALUES (?, ?, 420, ?, 0, 0, ?, ?, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, ?, 0, 1, 0, ?, 1, NULL, NULL, 0)`);
  const dirent = db.prepare("INSERT INTO dirent (parent, name, child, cookie) VALUES (?, ?, ?, ?)");
  const extent = db.prepare("INSERT INTO extent VALUES (?, 0, ?, ?, ?)");
  const pack = db.prepare("INSERT INTO pack VALUES (?, ?, 2, ?, ?, 1, 0, ?)");
  const perPack = 4096;
  // Of the right size, and empty as far as the disk is concerned.
  const putObject = (key: string, bytes: number): void => {
    const file = join(directory, "blocks", "objects", `${key}+`);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, "");
    truncateSync(file, bytes);
  };
  let id = firstId;
  const directories = Math.ceil(files / filesEach);
  db.run("BEGIN");
  let made = 0;
  let packId = 0;
  for (let d = 0; d < directories; d++) {
    const above = id++;
    inode.run(above, 2, 2, 4096, 0, above, 1);
    dirent.run(1, `directory-${d}`, above, above);
    for (let f = 0; f < filesEach && made < files; f++, made++) {
      if (made % perPack === 0) packId = id++;
      const file = id++;
      inode.run(file, 1, 1, fileBytes, fileBytes, file, 0);
      dirent.run(above, `file-number-${f}`, file, file);
      extent.run(file, fileBytes, packId, (made % perPack) * fileBytes);
      if (made % perPack === perPack - 1 || made === files - 1) {
        const size = ((made % perPack) + 1) * fileBytes;
        const key = `${Buffer.from(instance).toString("hex")}/${(Math.imul(packId, 0x9e3779b1) >>> 24).toString(16).padStart(2, "0")}/${packId.toString(16).padStart(14, "0")}`;
        putObject(key, size + Math.ceil(size / 65536) * 4 + 48);
        pack.run(packId, key, size, size, new Uint8Array(Math.ceil(size / 65536) * 4));
      }
    }
  }
  db.run(`UPDATE inode SET links = ${2 + directories} WHERE id = 1`);
  db.run(`UPDATE meta SET value = ${1 + directories + files} WHERE key = 'inodes'`);
  db.run(`UPDATE meta SET value = ${files * fileBytes} WHERE key = 'bytes'`);
  db.run(`UPDATE meta SET value = ${id + 1000} WHERE key = 'sequence_reserved'`);
  db.run("COMMIT");
  for (const statement of [inode, dirent, extent, pack]) statement.finalize();
  db.close(true);
  return 1 + directories + files;
}

const { path, remove } = temporaryDirectory("fsck-bench");
try {
  const inodes = await generate(path);
  const opened = await openCheckable(path);
  const rates: number[] = [];
  for (let i = 0; i < runs; i++) {
    const listener = new Listener();
    const begun = performance.now();
    const result = await fsck(opened.target, { data: false, repair: false }, listener);
    const seconds = (performance.now() - begun) / 1000;
    if (listener.findings.length > 0) throw new Error(JSON.stringify(listener.findings[0]));
    rates.push(result.inodes / seconds);
  }
  const median = rates.sort((a, b) => a - b)[runs >> 1] as number;
  console.log(`fsck of ${inodes} inodes on SQLite: ${Math.round(median)} inodes/s (median of ${runs}), ${rates.map(Math.round).join(" ")}`);
  console.log(JSON.stringify({ fsck: rates }));
  await opened.close();
} finally {
  remove();
}
