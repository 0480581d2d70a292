import { expect, test } from "bun:test";
import fs from "node:fs";
import { join } from "node:path";
import { openS3Blocks, type S3Blocks } from "#blocks/s3/index.ts";
import { StoreRefusedError, StoreUnavailableError } from "#model/block-store.ts";
import { temporary } from "../../../support/temporary.ts";
import { failureOf, soon } from "./kit.ts";

/** What answers in the place of an S3 server, for a while: a proxy without its server, an ingress, a captive portal. */

async function at(answer: () => Response, run: (store: S3Blocks) => Promise<void>): Promise<void> {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: answer });
  const store = await openS3Blocks({ bucket: "bucket", endpoint: `http://127.0.0.1:${server.port}`, credentials: { accessKeyId: "key", secretAccessKey: "secret" }, limits: { ...soon, attemptsMax: 2 } });
  try {
    await run(store);
  } finally {
    await store.close();
    await server.stop(true);
  }
}

const page = "<html><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1></body></html>";
const answers: readonly (readonly [number, string])[] = [[404, page], [404, ""], [404, "default backend - 404"], [400, ""], [405, ""], [302, ""], [501, ""], [200, page], [200, ""]];

for (const [status, body] of answers) {
  test(`a read that is answered by ${status} "${body.slice(0, 22)}" says nothing of the object: it is neither missing nor damaged`, () =>
    at(
      () => new Response(body, { status, headers: { "content-type": "text/html" } }),
      async (store) => {
        const error = await failureOf(store.get("k", 0, 1));
        expect(error instanceof StoreUnavailableError || error instanceof StoreRefusedError).toBe(true);
      },
    ));
}

test("an object is stored when the server has named it, and not when anybody says that all is well", () =>
  at(
    () => new Response(page, { headers: { "content-type": "text/html" } }),
    async (store) => {
      const path = join(temporary("not-s3"), "pack");
      fs.writeFileSync(path, "bytes");
      expect((await failureOf(store.put("k", { from: "file", path, size: 5 }))).message).toContain("does not speak S3");
      expect(fs.readFileSync(path, "utf8")).toBe("bytes");
    },
  ));
