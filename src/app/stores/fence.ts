import type { StorePlan } from "#control/index.ts";
import type { Surroundings } from "../share/open-share.ts";
import { s3OptionsOf } from "./s3.ts";

/** Whether it rests on a store's conditional writes that no two servers have a share there. */
export function needsFence({ type, config }: Pick<StorePlan, "type" | "config">): boolean {
  return type === "s3" && config["history"] !== false && config["history_unfenced"] !== true;
}

/** What is said of a server that ignores them. */
export function withoutFence({ name, config }: Pick<StorePlan, "name" | "config">): string {
  const where = typeof config["endpoint"] === "string" && config["endpoint"] !== "" ? ` at ${config["endpoint"]}` : "";
  return (
    `the S3 server of block store ${name}${where} ignores conditional writes (If-None-Match), so that nothing keeps two servers from taking the same share and each writing over the other's history. ` +
    "Take a server, or a version of this one, that honours them. Or say --history-unfenced true if you see to it yourself that no two servers have the share (what is written on both is lost on one), or --history false: its shares can't be recovered from it then"
  );
}

/** Servers that were found to ignore them, until they are found not to: who only looks whether a store answers is not to forget it. */
export class Fences {
  private readonly without = new Set<string>();

  note(plan: StorePlan, conditional: boolean | null): void {
    if (conditional === false) this.without.add(placeOf(plan));
    else if (conditional === true) this.without.delete(placeOf(plan));
  }

  lacks(plan: StorePlan): boolean {
    return this.without.has(placeOf(plan));
  }
}

function placeOf({ config }: StorePlan): string {
  return JSON.stringify([config["endpoint"] ?? "", config["region"] ?? "", config["bucket"] ?? ""]);
}

/** Why a share's history must not lie in a store: its server lets two machines take one share. Null: it doesn't, or that was accepted. Throws where the store can't be asked. */
export async function unfenced(plan: StorePlan, around: Pick<Surroundings, "clock" | "random" | "logger">, fences: Fences | null = null): Promise<string | null> {
  if (!needsFence(plan)) return null;
  const { checkS3 } = await import("#blocks/s3/index.ts");
  // A key that may not delete keeps a history as any other does: only its probes stay.
  const { conditionalPut } = await checkS3({ ...s3OptionsOf(plan, around), createBucket: false, deleting: false });
  fences?.note(plan, conditionalPut);
  return conditionalPut === false ? withoutFence(plan) : null;
}
