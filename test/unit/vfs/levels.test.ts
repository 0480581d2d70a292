import { describe, expect, test } from "bun:test";
import { Time } from "#base/time.ts";
import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import { AccessLevel, accessLevels } from "#model/identity.ts";
import { type FileId, rootId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { credentialsOf } from "#vfs/access/credentials.ts";
import type { SharePolicyFields } from "#vfs/access/policy.ts";
import { Access, type CopyRange } from "#vfs/file-system.ts";
import type { OpenFile } from "#vfs/opens/open-file.ts";
import { Share } from "#vfs/share.ts";
import { policyOf, superuser } from "../../support/policy.ts";
import { alice, bytesOf, fails, file, folder, ok, openWorld, root } from "./kit.ts";

/** What every operation is, as far as a share's level minds. */
const Kind = { attributes: "attributes", asks: "asks", reads: "reads", changes: "changes" } as const;
type Kind = (typeof Kind)[keyof typeof Kind];

interface Scene {
  readonly share: Share;
  readonly file: Inode;
  readonly link: Inode;
  readonly directory: Inode;
  readonly who: Credentials;
}
type Step = (scene: Scene) => unknown;

const verifier = new Uint8Array(8);
const operations: Readonly<Record<string, readonly [Kind, Readonly<Record<string, Step>>]>> = {
  getattr: [Kind.attributes, { "a file": (s) => s.share.getattr(s.file.id), "the root": (s) => s.share.getattr(rootId) }],
  root: [Kind.attributes, { root: (s) => s.share.root() }],
  cached: [Kind.attributes, { cached: (s) => s.share.cached(s.file.id) }],
  usage: [Kind.attributes, { usage: (s) => s.share.usage() }],
  // What was accepted before a right was taken away is made durable all the same.
  commit: [Kind.attributes, { "a file": (s) => s.share.commit(s.who, s.file.id) }],
  access: [Kind.asks, { "a file": (s) => s.share.access(s.who, s.file.id, 0x3f), "a directory": (s) => s.share.access(s.who, s.directory.id, 0x3f) }],
  lookup: [
    Kind.reads,
    {
      "a name in memory": (s) => s.share.lookup(s.who, s.directory.id, "inside"),
      "a name in the store": (s) => (s.share.names.drop(s.share.inodes.peek(s.directory.id)!), s.share.lookup(s.who, s.directory.id, "inside")),
      ".": (s) => s.share.lookup(s.who, s.directory.id, "."),
      "..": (s) => s.share.lookup(s.who, s.directory.id, ".."),
    },
  ],
  read: [Kind.reads, { "a file": (s) => s.share.read(s.who, s.file.id, 0, 4) }],
  lookupFolded: [
    Kind.reads,
    {
      "a name in memory": (s) => s.share.lookupFolded(s.who, s.directory.id, "inside"),
      "a name of another case": (s) => s.share.lookupFolded(s.who, s.directory.id, "INSIDE"),
      "..": (s) => s.share.lookupFolded(s.who, s.directory.id, ".."),
    },
  ],
  xattr: [Kind.reads, { "one there is": (s) => s.share.xattr(s.who, s.file.id, "ea"), "one there is not": (s) => s.share.xattr(s.who, s.file.id, "reparse") }],
  xattrs: [Kind.reads, { "a file's": (s) => s.share.xattrs(s.who, s.file.id) }],
  streams: [Kind.reads, { "a file's": (s) => s.share.streams(s.who, s.file.id), "a directory's": (s) => s.share.streams(s.who, s.directory.id) }],
  openStream: [Kind.reads, { "a file's": (s) => s.share.openStream(s.who, s.file.id, "STREAM") }],
  changeXattr: [Kind.changes, { add: (s) => s.share.changeXattr(s.who, s.file.id, "ea", (now) => Buffer.concat([now ?? bytesOf(""), bytesOf("x")])) }],
  setXattr: [
    Kind.changes,
    {
      new: (s) => s.share.setXattr(s.who, s.file.id, "security", bytesOf("sd")),
      another: (s) => s.share.setXattr(s.who, s.file.id, "ea", bytesOf("x")),
      none: (s) => s.share.setXattr(s.who, s.file.id, "ea", null),
    },
  ],
  setSecurity: [
    Kind.changes,
    {
      "a list": (s) => s.share.setSecurity(s.who, s.file.id, { dacl: { entries: null, control: 4 } }),
      "the owner it has": (s) => s.share.setSecurity(s.who, s.file.id, { owner: { sid: `S-1-22-1-${s.file.uid}`, id: s.file.uid } }),
    },
  ],
  makeStream: [Kind.changes, { "a file's": (s) => s.share.makeStream(s.who, s.file.id, "new"), "a directory's": (s) => s.share.makeStream(s.who, s.directory.id, "new") }],
  removeStream: [Kind.changes, { "a file's": (s) => s.share.removeStream(s.who, s.file.id, "stream") }],
  renameStream: [Kind.changes, { "a file's": (s) => s.share.renameStream(s.who, s.file.id, "stream", "other", false) }],
  allocated: [Kind.reads, { "a range": (s) => s.share.allocated(s.who, s.file.id, 0, 10, 10) }],
  punch: [Kind.changes, { "a range": (s) => s.share.punch(s.who, s.file.id, 0, 1) }],
  becomeLink: [
    Kind.changes,
    {
      "an empty file": async (s) => {
        const place = { parent: s.directory.id, name: "inside" };
        const made = ok(await s.share.lookup(superuser, place.parent, place.name));
        const asked = { who: s.who, access: 3, momentary: 0, sharing: 7, place, directory: false, overwrites: false, deleteOnClose: false, caching: null, parentKey: null, retried: false };
        return s.share.becomeLink(s.who, s.share.opens.admit(made.inode.id, asked, { broken: () => true }) as OpenFile, bytesOf("target"));
      },
    },
  ],
  clone: [Kind.changes, { "within a file": (s) => s.share.clone(s.who, within(s.file)), nothing: (s) => s.share.clone(s.who, { ...within(s.file), length: 0 }) }],
  copy: [Kind.changes, { "within a file": (s) => s.share.copy(s.who, within(s.file)), nothing: (s) => s.share.copy(s.who, { ...within(s.file), length: 0 }) }],
  readlink: [Kind.reads, { "a link": (s) => s.share.readlink(s.who, s.link.id) }],
  readdir: [
    Kind.reads,
    {
      names: (s) => s.share.readdir(s.who, s.directory.id, 0, verifier, false, () => true),
      "names and inodes": (s) => s.share.readdir(s.who, s.directory.id, 0, verifier, true, () => true),
    },
  ],
  write: [
    Kind.changes,
    {
      "some bytes": (s) => s.share.write(s.who, s.file.id, 0, [bytesOf("x")], 1, false),
      "stable bytes": (s) => s.share.write(s.who, s.file.id, 0, [bytesOf("x")], 1, true),
      "no bytes": (s) => s.share.write(s.who, s.file.id, 0, [], 0, false),
    },
  ],
  setattr: [
    Kind.changes,
    {
      mode: (s) => s.share.setattr(s.who, s.file.id, { mode: 0o600 }, null),
      group: (s) => s.share.setattr(s.who, s.file.id, { gid: s.file.gid }, null),
      size: (s) => s.share.setattr(s.who, s.file.id, { size: 1 }, null),
      now: (s) => s.share.setattr(s.who, s.file.id, { mtime: "now" }, null),
      times: (s) => s.share.setattr(s.who, s.file.id, { atime: new Time(1, 0), mtime: new Time(1, 0) }, null),
      nothing: (s) => s.share.setattr(s.who, s.file.id, {}, null),
    },
  ],
  create: [
    Kind.changes,
    {
      unchecked: (s) => s.share.create(s.who, s.directory.id, "new", { mode: "unchecked", attributes: { mode: 0o644 } }),
      guarded: (s) => s.share.create(s.who, s.directory.id, "new", { mode: "guarded", attributes: {} }),
      exclusive: (s) => s.share.create(s.who, s.directory.id, "new", { mode: "exclusive", verifier }),
      "of what is there": (s) => s.share.create(s.who, s.directory.id, "inside", { mode: "unchecked", attributes: {} }),
      "of what is there, emptied": (s) => s.share.create(s.who, s.directory.id, "inside", { mode: "unchecked", attributes: { size: 0 } }),
    },
  ],
  mkdir: [Kind.changes, { new: (s) => s.share.mkdir(s.who, s.directory.id, "new", {}) }],
  symlink: [Kind.changes, { new: (s) => s.share.symlink(s.who, s.directory.id, "new", bytesOf("t"), {}) }],
  mknod: [Kind.changes, { fifo: (s) => s.share.mknod(s.who, s.directory.id, "new", { type: FileType.fifo }, {}) }],
  remove: [Kind.changes, { file: (s) => s.share.remove(s.who, s.directory.id, "inside") }],
  rmdir: [Kind.changes, { directory: (s) => s.share.rmdir(s.who, s.directory.id, "empty") }],
  rename: [
    Kind.changes,
    {
      file: (s) => s.share.rename(s.who, s.directory.id, "inside", s.directory.id, "new"),
      "onto another": (s) => s.share.rename(s.who, s.directory.id, "inside", s.directory.id, "other"),
      "onto itself": (s) => s.share.rename(s.who, s.directory.id, "inside", s.directory.id, "inside"),
      "a directory elsewhere": (s) => s.share.rename(s.who, s.directory.id, "empty", rootId, "moved"),
    },
  ],
  link: [Kind.changes, { file: (s) => s.share.link(s.who, s.file.id, s.directory.id, "new") }],
};

/** The file's first byte, put behind its first two. */
function within({ id }: Inode): CopyRange {
  return { source: id, sourceOffset: 0, target: id, targetOffset: 2, length: 1, by: { source: null, target: null }, obeysLocks: true };
}

/** What of a share is no operation of a client. */
const notOperations = [
  "constructor", "handleOf", "locate",
  // What an open may do was judged when it was made.
  "release", "setDeletion", "tellChangeTime", "contend", "pathOf",
];

test("every operation of a share has its row", () => {
  const prototypes = [Share.prototype, Object.getPrototypeOf(Share.prototype) as object];
  const all = [...new Set(prototypes.flatMap((one) => Object.getOwnPropertyNames(one)))].filter((name) => !notOperations.includes(name));
  expect(all.sort()).toEqual(Object.keys(operations).sort());
});

/** What an operation of a kind answers, written down as a table: rows are levels, columns are open and read-only. */
const answers: Readonly<Record<AccessLevel, Readonly<Record<Kind, readonly [string, string]>>>> = {
  none: { attributes: ["success", "success"], asks: ["success", "success"], reads: ["access", "access"], changes: ["access", "access"] },
  read: { attributes: ["success", "success"], asks: ["success", "success"], reads: ["success", "success"], changes: ["access", "readOnly"] },
  "read-write": { attributes: ["success", "success"], asks: ["success", "success"], reads: ["success", "success"], changes: ["success", "readOnly"] },
  admin: { attributes: ["success", "success"], asks: ["success", "success"], reads: ["success", "success"], changes: ["success", "readOnly"] },
};

const reading = Access.read | Access.lookup | Access.execute;
const granted: Readonly<Record<AccessLevel, readonly [number, number]>> = {
  none: [0, 0],
  read: [reading, reading],
  "read-write": [0x3f, reading],
  admin: [0x3f, reading],
};

/** Callers whom the files' modes let do everything. */
const callers: Readonly<Record<string, Pick<Credentials, "uid" | "gid" | "groups" | "superuser">>> = {
  "the owner": alice,
  "the superuser": root,
  "the owner as superuser": { ...alice, superuser: true },
};

async function scene(changes: Partial<SharePolicyFields>, who: Credentials): Promise<Scene> {
  const { share } = await openWorld();
  const directory = await folder(share, "d", 0o777);
  const made = await file(share, "f", 0o777);
  ok(await share.write(alice, made.id, 0, [bytesOf("text")], 4, true));
  ok(await share.setXattr(alice, made.id, "ea", bytesOf("eas")));
  ok(await share.makeStream(alice, made.id, "stream"));
  const link = ok(await share.symlink(alice, directory.id, "link", bytesOf("target"), {})).inode;
  await file(share, "inside", 0o777, alice, directory.id);
  await file(share, "other", 0o777, alice, directory.id);
  await folder(share, "empty", 0o777, alice, directory.id);
  share.setPolicy(share.policy.with(changes));
  return { share, file: made, link, directory, who };
}

describe("every operation under every level", () => {
  for (const access of accessLevels) {
    for (const readOnly of [false, true]) {
      for (const [caller, claims] of Object.entries(callers)) {
        test(`${caller} with ${access}${readOnly ? ", read-only" : ""}`, async () => {
          for (const [name, [kind, steps]] of Object.entries(operations)) {
            for (const [what, step] of Object.entries(steps)) {
              const at = await scene({ readOnly }, { ...claims, access });
              const before = await contents(at);
              const outcome = await step(at);
              const expected = answers[access][kind][readOnly ? 1 : 0];
              expect({ name, what, outcome: outcome instanceof FsError ? outcome.code : "success" }).toEqual({ name, what, outcome: expected });
              if (kind !== Kind.changes || expected !== "success") expect({ name, what, after: await contents(at) }).toEqual({ name, what, after: before });
              if (kind !== Kind.asks) continue;
              const bits = granted[access][readOnly ? 1 : 0];
              const ofType = what === "a file" ? ~(Access.lookup | Access.delete) : ~Access.execute;
              expect({ what, bits: ok(outcome as { granted: number } | FsError).granted }).toEqual({ what, bits: bits & ofType });
            }
          }
        });
      }
    }
  }
});

/** The names of both directories, and size, mode, owners, links and times of what they name. */
async function contents({ share, directory }: Scene): Promise<unknown> {
  const rows: unknown[] = [];
  for (const id of [rootId, directory.id] as readonly FileId[]) {
    const listing = ok(await share.readdir(superuser, id, 0, verifier, true, () => true));
    for (const { name, inode } of listing.entries) {
      if (inode !== null) rows.push([name, inode.id, inode.size, inode.mode, inode.uid, inode.gid, inode.links, inode.mtime, inode.ctime]);
    }
  }
  return rows;
}

test("in a disabled share a caller has no more than the level none, whatever grants and squash", async () => {
  for (const squash of ["none", "root_to_admin", "all_to_admin"] as const) {
    const policy = policyOf({ enabled: false, squash, defaultPermission: AccessLevel.admin });
    const who = credentialsOf(policy, { uid: 0, gid: 0, gids: [] });
    for (const [, [kind, steps]] of Object.entries(operations)) {
      for (const step of Object.values(steps)) {
        const at = await scene({ enabled: false, squash }, who);
        const outcome = await step(at);
        expect(outcome instanceof FsError ? outcome.code : "success").toBe(answers.none[kind][0]);
      }
    }
  }
});

describe("the admin of a share", () => {
  const admin: Credentials = { uid: 7, gid: 7, groups: [], superuser: false, access: AccessLevel.admin };

  test("goes where modes and owners let nobody go", async () => {
    const { share } = await openWorld();
    const directory = await folder(share, "d", 0o1000);
    const made = await file(share, "f", 0, root, directory.id);
    ok(await share.lookup(admin, directory.id, "f"));
    ok(await share.write(admin, made.id, 0, [bytesOf("x")], 1, false));
    ok(await share.read(admin, made.id, 0, 1)).data.release();
    expect(ok(await share.setattr(admin, made.id, { mode: 0o640, mtime: new Time(1, 1), uid: 5, gid: 6 }, null)).after).toMatchObject({ mode: 0o640, uid: 5, gid: 6 });
    ok(await share.remove(admin, directory.id, "f"));
    ok(await share.rmdir(admin, rootId, "d"));
  });

  test("is no superuser of the machines that mount it: no devices, no files made for others, no setuid of others' programs", async () => {
    const { share } = await openWorld();
    fails(await share.mknod(admin, rootId, "sda", { type: FileType.block, major: 8, minor: 0 }, {}), "perm");
    const made = ok(await share.create(admin, rootId, "f", { mode: "guarded", attributes: { mode: 0o4755, uid: 0, gid: 0 } })).inode;
    expect(made).toMatchObject({ uid: 7, gid: 7, mode: 0o4755 });
    expect(ok(await share.setattr(admin, made.id, { uid: 0 }, null)).after).toMatchObject({ uid: 0, mode: 0o755 });
    expect(ok(await share.setattr(admin, made.id, { mode: 0o6755 }, null)).after?.mode).toBe(0o755);
    expect(ok(await share.setattr(admin, made.id, { mode: 0o6755, uid: 7 }, null)).after?.mode).toBe(0o755);
    ok(await share.setattr(root, made.id, { mode: 0o4755, uid: 0 }, null));
    ok(await share.setattr(root, made.id, { mode: 0o4755 }, null));
    ok(await share.write(admin, made.id, 0, [bytesOf("x")], 1, false));
    expect(ok(await share.getattr(made.id)).mode).toBe(0o755);
    // On a directory the bit hands on its group and nothing else.
    const directory = await folder(share, "d", 0o755);
    expect(ok(await share.setattr(admin, directory.id, { mode: 0o2755, gid: 7 }, null)).after?.mode).toBe(0o2755);
  });
});

test("who may change nothing learns that first, whatever else is wrong with the wish", async () => {
  const { share } = await openWorld();
  const reader: Credentials = { ...alice, access: AccessLevel.read };
  fails(await share.mknod(reader, rootId, "sda", { type: FileType.block, major: 8, minor: 0 }, {}), "access");
  fails(await share.setattr(reader, rootId, { uid: 1 }, null), "access");
});

test("a policy that comes while a write waits for room is obeyed before the write", async () => {
  const { share, content } = await openWorld();
  const made = await file(share, "f");
  const room = Promise.withResolvers<null>();
  content.admit = () => room.promise;
  const writing = share.write(alice, made.id, 0, [bytesOf("x")], 1, false);
  share.setPolicy(share.policy.with({ readOnly: true }));
  room.resolve(null);
  fails(await writing, "readOnly");
});
