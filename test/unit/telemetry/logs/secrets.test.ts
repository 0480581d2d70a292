import { expect, test } from "bun:test";
import { blanked } from "#telemetry/logs/secrets.ts";

const planted = "planted-4711";

test("fields named like a secret are blanked, however deep, and whatever a library hangs on its errors is left out", () => {
  const error = Object.assign(new TypeError("no", { cause: Object.assign(new Error("why"), { password: planted }) }), {
    code: "28P01",
    token: planted,
    query: planted,
    parameters: [planted],
    $response: { headers: { authorization: planted } },
    severity: "FATAL",
  });
  const line = blanked({ password: planted, authorization: planted, deep: { list: [{ secretAccessKey: planted, secret_access_key: planted, ntHash: planted, refresh_token: planted }] }, masterKey: new Uint8Array(4), error, err: error });
  expect(JSON.stringify(line)).not.toContain(planted);
  expect(line["error"]).toMatchObject({ type: "TypeError", message: "no", code: "28P01", severity: "FATAL", cause: { type: "Error", message: "why" } });
});

test("what is none stays: switches, numbers, keys of objects, bytes by their number", () => {
  expect(blanked({ key: "ab/cd", must_change_password: true, tokens: 3, secret: null, password: "", data: new Uint8Array(7), big: 5n, at: new Date(0) })).toEqual({ key: "ab/cd", must_change_password: true, tokens: 3, secret: null, password: "", data: "[7 bytes]", big: "5", at: new Date(0) });
});

test("an error that goes round in circles, or a field that does, ends", () => {
  const error = new Error("round");
  error.cause = error;
  const round: { self?: unknown } = {};
  round.self = round;
  expect(JSON.stringify(blanked({ error, round })).length).toBeLessThan(20_000);
});
