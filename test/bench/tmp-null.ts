import { systemClock } from "#base/clock.ts";
import { Time } from "#base/time.ts";
import { Committer } from "#metadata/committer.ts";
import { Sequence } from "#metadata/sequence.ts";
import { MemoryRows } from "#metadata/memory/rows.ts";
import { noTotals } from "#metadata/rows.ts";
import { Inode } from "#model/inode.ts";
const root = new Inode({ id: 1, type: 2, mode: 0, links: 2, uid: 0, gid: 0, size: 0, used: 0, deviceMajor: 0, deviceMinor: 0, atime: Time.zero, mtime: Time.zero, ctime: Time.zero, birth: Time.zero, change: 0, attributeVersion: 0, contentSequence: 0, mtimeSequence: 0, parent: 1, generation: 0, createVerifier: null, target: null } as any);
class Null extends MemoryRows { override inode(id: any) { return id === 1 ? root : null; } override dirent() { return null; } override insertDirent() {} override insertInode() {} override updateInode() {} override commit() {} override begin() {} }
const seq = new Sequence(16, 2 ** 53 - 1, () => 0);
const c = new Committer(new Null(), seq, noTotals, systemClock, { isNoSpace: () => false, committed(a: any) { for (const o of a) o.resolve(o.result); }, fatal() {} });
const at = new Time(1, 1);
let n = 0; const N = 200000;
async function lanes(per: number) { let next = 0; const lane = async () => { while (next < per) { next++; const id = seq.draw() as any;
  const inode = new Inode({ id, type: 1, mode: 0o644, links: 1, uid: 0, gid: 0, size: 0, used: 0, deviceMajor: 0, deviceMinor: 0, atime: at, mtime: at, ctime: at, birth: at, change: 0, attributeVersion: 0, contentSequence: 0, mtimeSequence: 0, parent: 0, generation: 0, createVerifier: null, target: null });
  await c.apply({ conditions: [{ is: "live", id: 1 as any }, { is: "direntAbsent", parent: 1 as any, name: "f" + n++ }], changes: [{ do: "insertInode", inode }, { do: "insertDirent", parent: 1 as any, name: "f", child: id }, { do: "touchDirectory", id: 1 as any, at, linksDelta: 0 }] }); } }; await Promise.all(Array.from({ length: 64 }, lane)); }
const out: number[] = [];
for (let s = 0; s < 20; s++) { const a = process.cpuUsage(); await lanes(N); const u = process.cpuUsage(a); out.push((u.user + u.system) / N); }
out.sort((a, b) => a - b); console.log("null rows min", out[0]!.toFixed(2), "median", out[10]!.toFixed(2));
