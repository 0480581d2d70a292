import { join } from "node:path";
import { configReference } from "../../src/config/index.ts";
import { root, say } from "./shell.ts";

/** Writes the pages that are made from the source. */
export async function docs(): Promise<number> {
  const path = join(root, "docs/reference/configuration.md");
  await Bun.write(path, configReference());
  say(`wrote ${path}`);
  return 0;
}
