import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import fs from "node:fs";
import { checkS3, openS3Blocks } from "#blocks/s3/index.ts";
import { StoreFault, type StoreRefusedError } from "#model/block-store.ts";
import { missingRadosgw, s3StartMsMax, sharedS3 } from "../../../support/radosgw.ts";
import { until } from "../../../support/wait.ts";
import { failureOf } from "./kit.ts";

const names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_EC2_METADATA_DISABLED", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];
const before = new Map(names.map((name) => [name, process.env[name]]));

/** Nothing is found but what the test gives. */
function environment(given: Readonly<Record<string, string>>): void {
  const nothing = { AWS_SHARED_CREDENTIALS_FILE: "/nowhere", AWS_CONFIG_FILE: "/nowhere", AWS_EC2_METADATA_DISABLED: "true" };
  for (const name of names) delete process.env[name];
  Object.assign(process.env, nothing, given);
}

// Skipped where it needs an S3 server that is not there: the reason stands in the name.
describe.skipIf(missingRadosgw !== null)(`keys that are found, not given${missingRadosgw === null ? "" : `: ${missingRadosgw}`}`, () => {
  beforeAll(async () => void (await sharedS3()), s3StartMsMax);
  afterEach(() => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });

  test("in the environment", async () => {
    const server = await sharedS3();
    environment({ AWS_ACCESS_KEY_ID: server.credentials.accessKeyId, AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey });
    expect((await checkS3({ bucket: server.bucketName(), endpoint: server.endpoint, createBucket: true })).conditionalPut).toBe(true);
  });

  test("in a profile", async () => {
    const server = await sharedS3();
    const path = (await sharedS3()).file("credentials");
    fs.writeFileSync(path, `[default]\naws_access_key_id = ${server.credentials.accessKeyId}\naws_secret_access_key = ${server.credentials.secretAccessKey}\n`);
    environment({ AWS_SHARED_CREDENTIALS_FILE: path });
    expect((await checkS3({ bucket: server.bucketName(), endpoint: server.endpoint, createBucket: true })).conditionalPut).toBe(true);
  });

  test("in a profile that is changed while the server runs", async () => {
    const server = await sharedS3();
    const path = server.file("credentials");
    const write = (key: string): void => fs.writeFileSync(path, `[default]\naws_access_key_id = ${key}\naws_secret_access_key = secret-of-${key}\n`);
    const give = (key: string) => ["--uid=rotated", `--access-key=${key}`, `--secret-key=secret-of-${key}`];
    await server.admin("user", "create", "--display-name=rotated", ...give("first"));
    write("first");
    environment({ AWS_SHARED_CREDENTIALS_FILE: path });
    const options = { bucket: server.bucketName(), endpoint: server.endpoint };
    await checkS3({ ...options, createBucket: true });
    const store = await openS3Blocks(options);
    await store.put("before", { from: "slices", slices: [Buffer.from("x")] });
    await server.admin("key", "create", "--key-type=s3", ...give("second"));
    await server.admin("key", "rm", "--key-type=s3", "--uid=rotated", "--access-key=first");
    expect(await failureOf(store.put("none", { from: "slices", slices: [Buffer.from("x")] }))).toMatchObject({ fault: StoreFault.key });
    write("second");
    // They are looked for once in five seconds.
    await until("the new keys", 20_000, () => store.put("after", { from: "slices", slices: [Buffer.from("y")] }).then(() => true, () => null));
    expect(Buffer.from(await store.get("before", 0, 1)).toString()).toBe("x");
    await store.close();
  }, 60_000);

  test("at a role's endpoint, and asked for anew before they expire", async () => {
    const server = await sharedS3();
    let asked = 0;
    const { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey } = server.credentials;
    const role = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch() {
        asked++;
        return Response.json({ AccessKeyId, SecretAccessKey, Token: "", Expiration: new Date(Date.now() + 60_000).toISOString() });
      },
    });
    environment({ AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://127.0.0.1:${role.port}/` });
    const options = { bucket: server.bucketName(), endpoint: server.endpoint };
    await checkS3({ ...options, createBucket: true });
    const store = await openS3Blocks(options);
    await store.tidied;
    const first = asked;
    expect(first).toBeGreaterThan(0);
    let puts = 0;
    // A request may find the answer to an earlier one's question still on its way.
    await until("another question", 10_000, async () => {
      await store.put(`k${puts++}`, { from: "slices", slices: [Buffer.from("x")] });
      return asked > first ? true : null;
    });
    await store.close();
    await role.stop(true);
  });

  test("nowhere", async () => {
    const server = await sharedS3();
    environment({});
    const error = (await failureOf(checkS3({ bucket: "b-b-b", endpoint: server.endpoint }))) as StoreRefusedError;
    expect([error.name, error.fault]).toEqual(["StoreRefusedError", StoreFault.credentials]);
    expect(error.message).toContain("no keys are given");
  });
});
