import { describe, expect, test } from "bun:test";
import { sessions } from "#control/database/tables.ts";
import { aliceId, address, claimsOf, forge, makeWorld, refusal, tokenKey, type World } from "./world.ts";

async function logInTo(world: World) {
  const pair = await world.login();
  return { pair, claims: claimsOf(pair.accessToken), refreshClaims: claimsOf(pair.refreshToken) };
}

describe("a forged or misused token", () => {
  test("what the forger makes with the right key and header is good: the refusals below are for their reasons", async () => {
    const world = await makeWorld();
    const { claims } = await logInTo(world);
    expect(await refusal(world.logins.authenticate(forge(claims)))).toBe(null);
  });

  const claimChanges: Record<string, object> = {
    "another issuer": { iss: "somebody" },
    "another audience": { aud: "somebody" },
    "another kind": { typ: "refresh" },
    "no kind": { typ: undefined },
    "no end": { exp: undefined },
    "no beginning": { iat: undefined },
    "no session": { sid: undefined },
    "no epoch": { epoch: undefined },
    "an epoch that is no number": { epoch: "1" },
    "a later epoch": { epoch: 2 },
    "no user": { sub: undefined },
    "a user nobody is": { sub: "8f14e45f-ceea-467f-a8d2-00000000ffff" },
    "no id": { jti: undefined },
    "a session that is no text": { sid: { $ne: null } },
  };
  for (const [what, change] of Object.entries(claimChanges)) {
    test(`is refused: ${what}`, async () => {
      const world = await makeWorld();
      const { claims } = await logInTo(world);
      expect(await refusal(world.logins.authenticate(forge({ ...claims, ...change })))).toBe("invalid_token");
    });
  }

  test("is refused: longer than any of ours", async () => {
    const world = await makeWorld();
    const { claims } = await logInTo(world);
    expect(await refusal(world.logins.authenticate(forge({ ...claims, more: "x".repeat(2000) })))).toBe(null);
    expect(await refusal(world.logins.authenticate(forge({ ...claims, more: "x".repeat(4000) })))).toBe("invalid_token");
  });

  test("is refused: a foreign signature", async () => {
    const world = await makeWorld();
    const { claims } = await logInTo(world);
    expect(await refusal(world.logins.authenticate(forge(claims, undefined, new Uint8Array(32).fill(8))))).toBe("invalid_token");
  });

  test("is refused: any algorithm but HS256, none first of all", async () => {
    const world = await makeWorld();
    const { claims, pair } = await logInTo(world);
    const [, body, signature] = pair.accessToken.split(".");
    const header = (alg: string) => Buffer.from(JSON.stringify({ alg, typ: "JWT" })).toString("base64url");
    const tokens = [
      `${header("none")}.${body}.`,
      `${header("none")}.${body}.${signature}`,
      `${header("None")}.${body}.`,
      `${header("RS256")}.${body}.${signature}`,
      forge(claims, { alg: "HS384", typ: "JWT" }, tokenKey, "sha384"),
      forge(claims, { alg: "HS512", typ: "JWT" }, tokenKey, "sha512"),
      forge(claims, { typ: "JWT" }),
      forge(claims, { alg: "HS256", crit: ["x"], x: 1 }),
    ];
    for (const token of tokens) expect(await refusal(world.logins.authenticate(token))).toBe("invalid_token");
  });

  test("is refused: changed at any character", async () => {
    const world = await makeWorld();
    const { pair } = await logInTo(world);
    const token = pair.accessToken;
    for (let i = 0; i < token.length - 1; i++) {
      const changed = token.slice(0, i) + (token[i] === "A" ? "B" : "A") + token.slice(i + 1);
      expect(await refusal(world.logins.authenticate(changed))).toBe("invalid_token");
    }
  });

  test("is refused: nonsense", async () => {
    const world = await makeWorld();
    for (const token of ["", ".", "..", "a.b.c", "\0", "é.é.é", "\ud800..", "x".repeat(4000), `${"x".repeat(100_000)}`, "W10.W10.W10"]) {
      expect(await refusal(world.logins.authenticate(token))).toBe("invalid_token");
      expect(await refusal(world.logins.refresh(token, address))).toBe("invalid_token");
    }
  });

  test("is refused: a refresh token as access token, and an access token to refresh with", async () => {
    const world = await makeWorld();
    const { pair } = await logInTo(world);
    expect(await refusal(world.logins.authenticate(pair.refreshToken))).toBe("invalid_token");
    expect(await refusal(world.logins.refresh(pair.accessToken, address))).toBe("invalid_token");
    expect(await refusal(world.logins.refresh(pair.refreshToken, address))).toBe(null);
  });

  test("is refused: made in the future, beyond what clocks differ", async () => {
    const world = await makeWorld();
    const { claims } = await logInTo(world);
    const iat = claims["iat"] as number;
    expect(await refusal(world.logins.authenticate(forge({ ...claims, iat: iat + 5, exp: iat + 905 })))).toBe(null);
    expect(await refusal(world.logins.authenticate(forge({ ...claims, iat: iat + 6, exp: iat + 906 })))).toBe("invalid_token");
    expect(await refusal(world.logins.authenticate(forge({ ...claims, nbf: iat + 60 })))).toBe("invalid_token");
  });
});

describe("a token's time", () => {
  test("an access token is good for 15 minutes, whether it was seen before or not", async () => {
    const world = await makeWorld();
    const seen = await world.login();
    const unseen = await world.login();
    world.clock.pass(900_000 - 1000);
    expect(await refusal(world.logins.authenticate(seen.accessToken))).toBe(null);
    world.clock.pass(1000);
    expect(await refusal(world.logins.authenticate(seen.accessToken))).toBe("token_expired");
    expect(await refusal(world.logins.authenticate(seen.accessToken))).toBe("token_expired");
    expect(await refusal(world.logins.authenticate(unseen.accessToken))).toBe("token_expired");
  });

  test("a refresh token is good for 7 days", async () => {
    const world = await makeWorld();
    const one = await world.login();
    const other = await world.login();
    world.clock.pass(7 * 24 * 3600_000 - 1000);
    expect(await refusal(world.logins.refresh(one.refreshToken, address))).toBe(null);
    world.clock.pass(1000);
    expect(await refusal(world.logins.refresh(other.refreshToken, address))).toBe("token_expired");
  });

  test("lifetimes are what they are told to be", async () => {
    const world = await makeWorld({ lifetimes: { accessSec: 60, refreshSec: 120 } });
    const pair = await world.login();
    expect(pair.expiresInSec).toBe(60);
    world.clock.pass(60_000);
    expect(await refusal(world.logins.authenticate(pair.accessToken))).toBe("token_expired");
    world.clock.pass(60_000);
    expect(await refusal(world.logins.refresh(pair.refreshToken, address))).toBe("token_expired");
  });
});

describe("another key", () => {
  test("refuses every token of the one before, known ones too", async () => {
    const world = await makeWorld();
    const pair = await world.login();
    await world.logins.authenticate(pair.accessToken);
    await world.logins.useKey(new Uint8Array(32).fill(9));
    expect(await refusal(world.logins.authenticate(pair.accessToken))).toBe("invalid_token");
    expect(await refusal(world.logins.refresh(pair.refreshToken, address))).toBe("invalid_token");
    expect(await refusal(world.logins.authenticate((await world.login()).accessToken))).toBe(null);
  });
});

test("authenticating asks no database", async () => {
  const world = await makeWorld();
  const pair = await world.login();
  const before = world.db.transactions;
  for (let i = 0; i < 10; i++) await world.logins.authenticate(pair.accessToken);
  expect(world.db.transactions).toBe(before);
  expect(world.db.rowsOf(sessions)[0]?.userId).toBe(aliceId);
});
