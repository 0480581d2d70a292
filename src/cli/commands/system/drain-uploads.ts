import { contract, type Reply } from "#api/contract/index.ts";
import { approximateSize, type Call, type Verb } from "../../remote/index.ts";
import { printable } from "../../table.ts";

/** How often is looked why nothing moves. */
const lookMs = 3_000;

export const drainUploads: Verb = {
  name: "drain-uploads",
  route: contract.system.drainUploads,
  summary: "Store everything that is accepted and not yet in its block store, and wait for it. It ends early only where nothing moves for controlplane.drain_stall_timeout; why nothing does is said within seconds.",
  examples: ["dittofs system drain-uploads", "dittofs system drain-uploads --share /projects"],
  flags: [{ flags: "--share <share>", help: "of this share alone", field: "share" }],
  async run(call) {
    const query: { readonly share?: string } = await call.fields();
    const draining = call.session().call(contract.system.drainUploads, { query });
    await sayWhy(call, draining, query.share ?? null);
    const drained = await draining;
    const of = drained.shares.filter((share) => share.bytes > 0).map((share) => `${share.name} ${approximateSize(share.bytes)}`);
    call.done(`stored ${approximateSize(drained.bytes)} in ${(drained.duration_ms / 1000).toFixed(1)} s${of.length === 0 ? "" : `: ${of.join(", ")}`}`, drained);
  },
};

/** Until the drain ends, whatever came of it: says of each store that fails what is wrong, once. */
async function sayWhy(call: Call, draining: Promise<unknown>, share: string | null): Promise<void> {
  const said = new Set<string>();
  const ended = draining.then(
    () => true,
    () => true,
  );
  while (!(await Promise.race([ended, call.context.wait(lookMs).then(() => false)]))) {
    const failing = await troubled(call);
    for (const { name, error, shares } of failing) {
      const concerned = share === null ? shares : shares.filter((each) => each === share || each === `/${share}`);
      const line = `waiting for block store ${name} (${concerned.join(", ")}): ${error}`;
      if (concerned.length === 0 || said.has(line)) continue;
      said.add(line);
      call.terminal.err(`${printable(line)}\n`);
    }
  }
}

async function troubled(call: Call): Promise<Reply<typeof contract.system.status>["troubled_stores"]> {
  try {
    return (await call.session().call(contract.system.status)).troubled_stores;
  } catch {
    // What the drain itself comes to says more.
    return [];
  }
}
