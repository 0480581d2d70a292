import { afterEach, beforeEach, expect, test } from "bun:test";
import { FsError } from "#model/fs-error.ts";
import { rootId } from "#model/ids.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { createBody, emptyBody, queryInfoBody, sessionSetupBody, type SmbClient } from "../../support/smb-client.ts";
import { ntlmNegotiate } from "../../support/smb-ntlm.ts";
import { closeBody, readBody } from "../../support/smb-requests.ts";
import { smbServer, type TestSmb } from "../../support/smb-server.ts";
import { compound, type Reply } from "../../support/smb-wire.ts";
import { superuser } from "../../support/policy.ts";

const related = 4;
/** What a related request has where the id is that of a request before it. */
const noFile = Buffer.alloc(16, 0xff);
const noTree = -1 >>> 0;

let server: TestSmb;
let client: SmbClient;

beforeEach(async () => {
  server = await smbServer();
  client = await server.client({ dialects: [0x302] });
});
afterEach(() => server.stop());

function treeBody(share: string): Buffer {
  const path = Buffer.from(`\\\\server\\${share}`, "utf16le");
  const body = Buffer.alloc(8 + path.length);
  body.writeUInt16LE(9, 0);
  body.writeUInt16LE(72, 4);
  body.writeUInt16LE(path.length, 6);
  body.set(path, 8);
  return body;
}

const first = (command: number, body: Uint8Array, treeId = 0): Buffer => client.request(command, body, { treeId });
const next = (command: number, body: Uint8Array): Buffer => client.request(command, body, { flags: related, treeId: noTree });

/** The answers to requests sent as one message. */
async function answers(...parts: readonly Buffer[]): Promise<Reply[]> {
  const message = compound(...parts);
  client.sendRaw(client.sealer === null ? message : client.sealer.seal(message, Number(client.sessionId)));
  const replies: Reply[] = [];
  while (replies.length < parts.length) replies.push(await client.next());
  return replies;
}

const statuses = async (...parts: readonly Buffer[]): Promise<number[]> => (await answers(...parts)).map(({ status }) => status);

async function exists(name: string): Promise<boolean> {
  return !((await server.world.share.lookup(superuser, rootId, name)) instanceof FsError);
}

test("what follows a TREE_CONNECT goes on with the share just connected to", async () => {
  const chain = [first(Command.TREE_CONNECT, treeBody("export")), next(Command.CREATE, createBody("a")), next(Command.QUERY_INFO, queryInfoBody(noFile)), next(Command.CLOSE, closeBody(noFile))];
  const [connected, ...rest] = await answers(...chain);
  expect([connected!.status, ...rest.map(({ status }) => status)]).toEqual([0, 0, 0, 0]);
  expect([await exists("a"), server.state.opens.size]).toEqual([true, 0]);
  // The same tree is there afterwards.
  expect((await client.call(Command.CREATE, createBody("b"), { treeId: connected!.treeId })).status).toBe(0);
});

test("so it does in one message that is encrypted", async () => {
  client = await server.client({ dialects: [0x311] });
  client.seal();
  expect(await statuses(first(Command.TREE_CONNECT, treeBody("export")), next(Command.CREATE, createBody("a")), next(Command.CLOSE, closeBody(noFile)))).toEqual([0, 0, 0]);
  expect(await exists("a")).toBe(true);
});

test("a share connected to takes the place of the one before it, with what was open there", async () => {
  const { treeId } = await client.treeConnect("export");
  const replies = await statuses(
    first(Command.CREATE, createBody("a"), treeId),
    next(Command.TREE_CONNECT, treeBody("IPC$")),
    next(Command.READ, readBody(noFile, 0, 1)),
    next(Command.CREATE, createBody("srvsvc")),
    next(Command.CLOSE, closeBody(noFile)),
  );
  expect(replies).toEqual([0, 0, NtStatus.FILE_CLOSED, 0, 0]);
  expect(await exists("srvsvc")).toBe(false);
});

test("where it failed, what follows has no share: not that of a request before it either", async () => {
  const { treeId } = await client.treeConnect("export");
  const none = [NtStatus.BAD_NETWORK_NAME, NtStatus.INVALID_PARAMETER, NtStatus.INVALID_PARAMETER];
  expect(await statuses(first(Command.TREE_CONNECT, treeBody("none")), next(Command.CREATE, createBody("a")), next(Command.CLOSE, closeBody(noFile)))).toEqual(none);
  expect(await statuses(first(Command.CREATE, createBody("b"), treeId), next(Command.TREE_CONNECT, treeBody("none")), next(Command.CREATE, createBody("a")), next(Command.CLOSE, closeBody(noFile)))).toEqual([0, ...none]);
  expect(await exists("a")).toBe(false);
  // Nor does a CREATE that failed before it spoil what follows one that did not.
  expect(await statuses(first(Command.CREATE, createBody("c", { disposition: 1 }), treeId), next(Command.TREE_CONNECT, treeBody("export")), next(Command.CREATE, createBody("a")))).toEqual([NtStatus.OBJECT_NAME_NOT_FOUND, 0, 0]);
});

for (const [share, name] of [["export", "a"], ["IPC$", "srvsvc"]] as const) {
  test(`nothing is opened in a connection to ${share} that a request before it ended`, async () => {
    const { treeId } = await client.treeConnect(share);
    expect(await statuses(first(Command.TREE_DISCONNECT, emptyBody, treeId), next(Command.CREATE, createBody(name)), next(Command.CLOSE, closeBody(noFile)))).toEqual([0, NtStatus.NETWORK_NAME_DELETED, NtStatus.NETWORK_NAME_DELETED]);
    expect([await exists(name), server.state.opens.size]).toEqual([false, 0]);
  });
}

test("a SESSION_SETUP stands alone in its message, and nothing goes on with what it would have begun", async () => {
  client.sessionId = 0n;
  const alone = await statuses(first(Command.SESSION_SETUP, sessionSetupBody(ntlmNegotiate())), next(Command.TREE_CONNECT, treeBody("export")), next(Command.CREATE, createBody("a")));
  expect(alone).toEqual([NtStatus.INVALID_PARAMETER, NtStatus.INVALID_PARAMETER, NtStatus.INVALID_PARAMETER]);
  expect(server.state.sessions.size).toBe(1);
});
