import { ApiError, ConnectError } from "#api/client/index.ts";
import { contract } from "#api/contract/index.ts";
import type { Config } from "#config/index.ts";
import { reachable } from "../../banner.ts";
import type { Instance } from "../../ports.ts";
import { type Call, type Connection, Session } from "../../remote/index.ts";
import { fail, type Finding, ok, warn } from "./finding.ts";

const check = "control plane";
const clockToleratedMs = 60_000;

/** Whether the REST interface answers, and what it says of stores, shares and adapters. */
export async function checkControlPlane(call: Call, config: Config, instance: Instance | null): Promise<readonly Finding[]> {
  const session = sessionFor(call, instance);
  if (session === null) return [warn(check, `no server runs on ${config.data_dir}; what only it knows was not checked`, "dittofs start, or name a server with --server")];
  try {
    return [...(await live(call, session)), ...(session.loggedIn ? await details(session) : await storesInShort(session))];
  } catch (error) {
    if (error instanceof ConnectError) return [fail(check, error.message, "dittofs status says what runs and where it listens")];
    if (error instanceof ApiError) return [fail(check, `${session.server}: ${error.message}`, error.problem.hint ?? "the server's log says more: dittofs logs")];
    throw error;
  }
}

/** The server that was named, or else the one that runs here, or else, where no data directory was named, that of the context in use. */
function sessionFor(call: Call, instance: Instance | null): Session | null {
  const api = instance?.listening.find((at) => at.protocol === "api");
  const named = call.text("server") !== null || call.text("context") !== null || Boolean(call.context.environment["DITTOFS_SERVER"]);
  const asked = call.session();
  if (named) return asked;
  if (api === undefined) return asked.loggedIn && call.text("data-dir") === null ? asked : null;
  return new Session(call.context, { ...(call.command.opts() as Connection), server: `${api.tls === true ? "https" : "http"}://${reachable(api.address)}:${api.port}` });
}

async function live(call: Call, session: Session): Promise<readonly Finding[]> {
  const { clock } = call.context;
  const startMs = clock.monotonicMs();
  const health = await session.call(contract.health.live);
  const tookMs = clock.monotonicMs() - startMs;
  const said = `${session.server} answers in ${tookMs.toFixed(0)} ms: ${health.status}`;
  const found = [health.status === "healthy" ? ok(check, said) : warn(check, `${said}${health.error === undefined ? "" : `: ${health.error}`}`, "the server's log says more: dittofs logs")];
  const apartMs = Math.abs(new Date(health.timestamp).getTime() - clock.now().sec * 1000);
  if (apartMs > clockToleratedMs) found.push(warn("clock", `that of ${session.server} is ${Math.round(apartMs / 1000)} seconds from this one`, "set the clock of whichever is wrong: timedatectl set-ntp true"));
  return found;
}

/** What anybody may know. */
async function storesInShort(session: Session): Promise<readonly Finding[]> {
  const known = [warn("log-in", `not logged in to ${session.server}: shares and adapters were not checked`, `dittofs login --server ${session.server}`)];
  try {
    await session.call(contract.health.stores);
    return [ok("stores", "all healthy"), ...known];
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== "unavailable") throw error;
    return [fail("stores", error.message, "log in and try again, to see which: dittofs store metadata health, dittofs store block health"), ...known];
  }
}

async function details(session: Session): Promise<readonly Finding[]> {
  try {
    return [...(await stores(session)), ...(await shares(session)), ...(await adapters(session))];
  } catch (error) {
    if (!(error instanceof ApiError) || ![401, 403].includes(error.status)) throw error;
    return [warn("log-in", `stores, shares and adapters were not checked: ${error.message}`, "log in as an operator or administrator")];
  }
}

async function stores(session: Session): Promise<readonly Finding[]> {
  const found: Finding[] = [];
  for (const kind of ["metadata", "block"] as const) {
    for (const { name } of await session.all(contract.stores.list, { params: { kind } })) {
      const health = await session.call(contract.stores.health, { params: { kind, name } });
      if (health.healthy) found.push(ok(`${kind} store ${name}`, `healthy${health.latency_ms === null ? "" : ` (${health.latency_ms.toFixed(1)} ms)`}`));
      else found.push(fail(`${kind} store ${name}`, health.error ?? "not healthy", `dittofs store ${kind} show ${name} says how it is configured`));
    }
  }
  return found;
}

async function shares(session: Session): Promise<readonly Finding[]> {
  const all = await session.all(contract.shares.list, {});
  const failed = all.filter((share) => share.state === "failed");
  const serving = ok("shares", `${all.filter((share) => share.state === "serving").length} of ${all.length} serving`);
  return failed.length === 0 ? [serving] : failed.map((share) => fail(`share ${share.name}`, share.error ?? "not served", `put that right, then dittofs share enable ${share.name}; dittofs logs says more`));
}

async function adapters(session: Session): Promise<readonly Finding[]> {
  const all = await session.all(contract.adapters.list, {});
  return all.map((adapter) => {
    const name = `adapter ${adapter.type}`;
    if (adapter.error !== null) return fail(name, adapter.error, `dittofs adapter edit ${adapter.type} --port moves it`);
    return ok(name, adapter.running ? `listens on port ${adapter.listening_port}` : adapter.enabled ? "enabled" : "disabled");
  });
}
