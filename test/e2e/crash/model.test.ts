import { describe, expect, test } from "bun:test";
import { SeededRandom } from "../../support/seeded-random.ts";
import { FileModel } from "./file-model.ts";
import { judge, ModelNode, TreeModel } from "./tree-model.ts";

/** The checker itself: planted losses must be found, and what a crash may do must pass. */

const a = Buffer.alloc(5000, 0x61);
const b = Buffer.alloc(5000, 0x62);

/** A file with `a` stable at 0. */
function stableFile(): FileModel {
  const file = new FileModel();
  file.acknowledge(file.begin(0, a), true);
  return file;
}

describe("file model", () => {
  test("passes what was written stably, finds a lost write", () => {
    const file = stableFile();
    expect(file.violation(Buffer.from(a))).toBeNull();
    const later = file.begin(1000, b.subarray(0, 100));
    file.acknowledge(later, true);
    expect(file.violation(Buffer.from(a))).toContain("at 1000");
  });

  test("an UNSTABLE write may be old, new or part of each until COMMIT", () => {
    const file = stableFile();
    file.acknowledge(file.begin(1000, b.subarray(0, 2000)), false);
    const half = Buffer.from(a);
    b.copy(half, 1500, 0, 700);
    for (const legal of [Buffer.from(a), file.current(), half]) expect(file.violation(legal)).toBeNull();
    file.committed(file.coveredByCommit());
    expect(file.violation(half)).toContain("at 1000");
    expect(file.violation(file.current())).toBeNull();
  });

  test("finds zeros where data was, also under a pending write", () => {
    const file = stableFile();
    file.acknowledge(file.begin(0, b), false);
    const zeros = Buffer.from(a);
    zeros.fill(0, 3000, 3512);
    expect(file.violation(zeros)).toContain("512 zero bytes where data was");
  });

  test("finds a size that is too small, that nobody made, or that came without its data", () => {
    const file = stableFile();
    expect(file.violation(Buffer.from(a.subarray(0, 4999)))).toContain("size 4999, but 5000");
    expect(file.violation(Buffer.concat([a, b]))).toContain("size 10000 that no write made");
    file.acknowledge(file.begin(5000, b), false);
    expect(file.violation(Buffer.concat([a, b]))).toBeNull();
    expect(file.violation(Buffer.concat([a, Buffer.alloc(5000)]))).toContain("without the data that made it so");
    expect(file.violation(Buffer.from(a))).toBeNull();
  });

  test("a COMMIT covers what was acknowledged when it was sent, nothing later", () => {
    const file = stableFile();
    file.acknowledge(file.begin(0, b.subarray(0, 10)), false);
    const covered = file.coveredByCommit();
    file.acknowledge(file.begin(20, b.subarray(0, 10)), false);
    file.committed(covered);
    const without = Buffer.from(a);
    expect(file.violation(without)).toContain("at 0");
    b.copy(without, 0, 0, 10);
    expect(file.violation(without)).toBeNull();
  });

  test("a stable write over a pending one leaves only its own bytes legal", () => {
    const file = stableFile();
    file.acknowledge(file.begin(0, b.subarray(0, 100)), false);
    file.acknowledge(file.begin(40, Buffer.alloc(20, 0x63)), true);
    const old = Buffer.from(a);
    old.fill(0x63, 40, 60);
    expect(file.violation(old)).toBeNull();
    expect(file.violation(file.current())).toBeNull();
    old.fill(0x62, 45, 46);
    expect(file.violation(old)).toContain("at 45");
  });

  test("what a truncate cut off stays away, and what grows reads as zeros", () => {
    const file = stableFile();
    file.acknowledge(file.begin(4000, b), false);
    file.truncated(100);
    expect(file.violation(Buffer.from(a.subarray(0, 100)))).toBeNull();
    expect(file.violation(Buffer.from(a))).toContain("size 5000 that no write made");
    file.truncated(6000);
    expect(file.violation(Buffer.concat([a.subarray(0, 100), Buffer.alloc(5900)]))).toBeNull();
    expect(file.violation(Buffer.concat([a, Buffer.alloc(1000)]))).toContain("at 100");
  });

  test("agrees with a plain buffer over random operations", () => {
    const random = new SeededRandom(5);
    for (let run = 0; run < 30; run++) {
      const file = new FileModel();
      let plain = Buffer.alloc(0);
      for (let i = 0; i < 40; i++) {
        const kind = random.below(10);
        if (kind === 0) {
          const size = random.below(9000);
          file.truncated(size);
          plain = Buffer.concat([plain, Buffer.alloc(Math.max(0, size - plain.length))]).subarray(0, size);
        } else if (kind === 1) {
          file.committed(file.coveredByCommit());
        } else {
          const offset = random.below(8000);
          const data = Buffer.alloc(random.between(1, 3000), random.between(1, 255));
          file.acknowledge(file.begin(offset, data), random.chance(0.3));
          plain = Buffer.concat([plain, Buffer.alloc(Math.max(0, offset + data.length - plain.length))]);
          plain.set(data, offset);
        }
        expect(file.current().equals(plain)).toBe(true);
        expect(file.currentRange(100, 3000).equals(plain.subarray(100, 3100))).toBe(true);
        expect(file.violation(plain)).toBeNull();
        expect(file.copy().violation(plain)).toBeNull();
      }
    }
  });
});

describe("tree model", () => {
  function tree() {
    const model = new TreeModel();
    model.root.fileid = 1n;
    const [one, two] = [model.node("file", 0o644), model.node("file", 0o644)];
    one.fileid = 11n;
    two.fileid = 12n;
    model.apply({ kind: "make", directory: model.root, name: "one", node: one });
    model.apply({ kind: "make", directory: model.root, name: "two", node: two });
    return { model, one, two, root: model.root };
  }
  const seeing = (names: Record<string, bigint>) => (_: ModelNode) => new Map(Object.entries(names));

  test("a rename happened or did not; half of it is found", () => {
    const { root, one, two } = tree();
    const op = { kind: "rename", from: root, fromName: "one", to: root, toName: "two", node: one, over: two } as const;
    expect(judge(op, seeing({ two: 11n }))).toBe(true);
    expect(judge(op, seeing({ one: 11n, two: 12n }))).toBe(false);
    for (const half of [{ one: 11n }, { two: 12n }, {}, { one: 11n, two: 11n }]) {
      expect(judge(op, seeing(half))).toContain("half happened");
    }
  });

  test("links are counted and the last name's removal makes the handle dead", () => {
    const { model, root, one } = tree();
    model.apply({ kind: "link", directory: root, name: "three", node: one });
    expect(one.links).toBe(2);
    model.apply({ kind: "remove", directory: root, name: "one", node: one });
    expect(model.dead).toHaveLength(0);
    model.apply({ kind: "remove", directory: root, name: "three", node: one });
    expect(model.dead).toEqual([one.handle]);
  });

  test("a rename over another name of the same file changes nothing", () => {
    const { model, root, one } = tree();
    model.apply({ kind: "link", directory: root, name: "three", node: one });
    model.apply({ kind: "rename", from: root, fromName: "one", to: root, toName: "three", node: one, over: one });
    expect([...root.entries.keys()]).toEqual(["one", "two", "three"]);
  });
});
