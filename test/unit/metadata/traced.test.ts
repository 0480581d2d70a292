import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { openSqliteStore, traceStore } from "#metadata/index.ts";
import { openPostgresStore } from "#metadata/postgres/index.ts";
import { PackState } from "#model/change-set.ts";
import { type FileId, type PackId, rootId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { Kind, openTracing, type OpenTracing, spanned, tracer } from "#telemetry/tracing/index.ts";
import { OtlpReceiver, type ReceivedSpan } from "../../support/otlp-receiver.ts";
import { type DatabaseLogin, missingPostgres, sharedCluster } from "../../support/postgres.ts";
import { temporary } from "../../support/temporary.ts";

/** What requests that are followed see of the metadata: their statements, and the transactions they share. */

const silent = { clock: systemClock, random: systemRandom, logger: silentLogger };
const secret = new Uint8Array(Buffer.from("value-nobody-is-to-read"));

let receiver: OtlpReceiver;
let tracing: OpenTracing;

beforeEach(async () => {
  receiver = await OtlpReceiver.start();
  tracing = await openTracing({ endpoint: receiver.endpoint, insecure: true, sampleRate: 1, perSecondMax: 500, version: "0", ...silent });
});

afterEach(async () => {
  await tracing.close();
  receiver.stop();
});

/** `work` as one request that is followed. */
function request<T>(work: () => T | Promise<T>): Promise<T> {
  return Promise.resolve(spanned(tracer!.begin("request", Kind.server, {}), work));
}

const change = (store: MetadataStore) => {
  const id = store.draw() as PackId;
  return store.apply({ conditions: [], changes: [{ do: "putPack", pack: { id, key: `pack-${id}`, state: PackState.pending, size: 1, live: 0, frames: secret, since: systemClock.now() } }] });
};

async function sent(): Promise<readonly ReceivedSpan[]> {
  await tracing.close();
  expect(Buffer.concat(receiver.messages).includes(secret)).toBe(false);
  return receiver.spans;
}

test("sets of requests of one turn share a transaction, which is a part of the first and linked with all; unfollowed ones don't show", async () => {
  const store = openSqliteStore({ path: join(temporary("traced"), "metadata.db"), ...silent });
  traceStore(store, "sqlite");
  await Promise.all([request(() => change(store)), request(() => change(store)), change(store)]);
  await change(store);
  await request(() => store.inode(rootId));
  await store.close();
  const spans = await sent();
  expect(spans.map(({ name }) => name).sort()).toEqual([...["metadata.apply", "metadata.apply", "metadata.batch", "metadata.inode", "metadata.sync", "metadata.sync"], ...["request", "request", "request"]]);
  const batch = receiver.named("metadata.batch")[0]!;
  expect(receiver.pathOf(batch)).toEqual(["request", "metadata.apply", "metadata.batch"]);
  expect(batch.attributes).toMatchObject({ "db.operation.batch.size": "3", "dittofs.links": "2" });
  const requests = receiver.named("request").slice(0, 2);
  expect(batch.links.map(({ id }) => id).sort()).toEqual(requests.map(({ id }) => id).sort());
  const other = receiver.named("metadata.apply").find(({ trace }) => trace !== batch.trace)!;
  expect(other.links).toMatchObject([{ id: batch.id, attributes: { "dittofs.link": "served by" } }]);
  expect(receiver.named("metadata.inode")[0]).toMatchObject({ attributes: { "db.system.name": "sqlite", "dittofs.file.id": String(rootId) } });
});

// Skips where PostgreSQL is not installed: the reason is printed.
describe.skipIf(missingPostgres !== null)("in PostgreSQL", () => {
  let login: DatabaseLogin;
  beforeAll(async () => {
    login = await (await sharedCluster()).database();
  }, 60_000);

  const open = (): Promise<MetadataStore> => openPostgresStore({ ...login, sslmode: "disable", sslRootCert: null, key: "traced", name: "traced", holder: "a test", ...silent, broken: () => {} });

  test("a set is followed to its statement, and so is a read that has to ask", async () => {
    const store = await open();
    traceStore(store, "postgresql");
    await Promise.all([request(() => change(store)), request(() => change(store))]);
    await request(() => store.inode((2 ** 40) as FileId));
    await store.close();
    await sent();
    const applied = receiver.named("postgresql.apply");
    expect(applied).toHaveLength(1);
    expect(receiver.pathOf(applied[0]!)).toEqual(["request", "metadata.apply", "metadata.batch", "postgresql.apply"]);
    expect(applied[0]).toMatchObject({ kind: 3, status: 0, attributes: { "db.system.name": "postgresql", "db.operation.name": "apply" } });
    expect(receiver.byId(applied[0]!.parent)!.links).toHaveLength(2);
    const read = receiver.named("postgresql.inodes");
    expect(read.map((span) => receiver.pathOf(span))).toEqual([["request", "metadata.inode", "postgresql.inodes"]]);
  });
});

if (missingPostgres !== null) console.log(`traces of metadata in PostgreSQL: skipped, ${missingPostgres}`);
