import { afterAll, expect, test } from "bun:test";
import { type ErrorCode, errorCodes } from "#api/contract/index.ts";
import { ExitStatus, exitStatusMeanings } from "#cli/ports.ts";
import { statusOfCode } from "#cli/remote/failure.ts";
import { contract, FakeApi, Refusal } from "./fake-api.ts";
import { cli } from "./support.ts";
import { temporary } from "../../support/temporary.ts";

const api = new FakeApi();
const environment = { XDG_CONFIG_HOME: temporary("failure"), DITTOFS_SERVER: api.url, DITTOFS_TOKEN: "t" };
afterAll(() => api.stop());

/** Written out, so that a change of one is a change of the interface. */
const statuses: Readonly<Record<ErrorCode, number>> = {
  invalid_request: 2,
  invalid_value: 2,
  too_large: 2,
  unauthenticated: 4,
  token_expired: 4,
  invalid_token: 4,
  wrong_credentials: 4,
  forbidden: 4,
  password_change_required: 4,
  not_found: 5,
  already_exists: 6,
  in_use: 6,
  conflict: 6,
  data_exists: 6,
  changed_meanwhile: 6,
  unavailable: 7,
  method_not_allowed: 1,
  unsupported_media_type: 1,
  too_many_attempts: 1,
  busy: 1,
  misdirected: 1,
  internal: 1,
  store_unreachable: 1,
  no_progress: 1,
};

test.each(Object.keys(errorCodes) as ErrorCode[])("%s has its exit status, and a sentence", async (code) => {
  api.on(contract.users.show, new Refusal(code, `that is ${code}`) as never);
  const done = await cli(["user", "show", "alice"], { environment });
  expect([done.status, done.out, done.err.split("\n")[0]]).toEqual([statuses[code], "", `error: that is ${code}`]);
  expect(statusOfCode[code]).toBe(statuses[code] as ExitStatus);
});

test("a code of a newer server is a failure", async () => {
  const newer = new Refusal("internal", "the moon is full");
  api.on(contract.users.show, Object.assign(new Refusal("internal"), { problem: { ...newer.problem, code: "full_moon", status: 418 } }) as never);
  expect(await cli(["user", "show", "alice"], { environment })).toMatchObject({ status: 1, err: "error: the moon is full\n" });
});

test("what isn't a DittoFS server is said to be none", async () => {
  const stranger = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("<html>", { status: 502, headers: { "content-type": "text/html" } }) });
  try {
    const done = await cli(["user", "list"], { environment: { ...environment, DITTOFS_SERVER: `http://127.0.0.1:${stranger.port}` } });
    expect([done.status, done.err]).toEqual([7, expect.stringContaining("not what a DittoFS server says")]);
  } finally {
    await stranger.stop(true);
  }
});

test("every exit status has a meaning on the pages", () => {
  expect(exitStatusMeanings.map(([status]) => status)).toEqual(Object.values(ExitStatus));
});

test("Ctrl-D at a question is 130, and changes nothing", async () => {
  const before = api.got.length;
  expect(await cli(["user", "create"], { environment, answers: [null] })).toMatchObject({ status: 130, out: "" });
  expect(api.got).toHaveLength(before);
});
