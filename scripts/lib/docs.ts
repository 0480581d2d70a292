import { join } from "node:path";
import { apiReference } from "../../src/api/contract/reference.ts";
import { commandsPage } from "../../src/cli/index.ts";
import { configReference } from "../../src/config/index.ts";
import { root, say } from "./shell.ts";

/** Writes the pages that are made from the source. */
export async function docs(): Promise<number> {
  for (const [name, text] of [["configuration", configReference()], ["commands", commandsPage()], ["api", apiReference()]] as const) {
    const path = join(root, "docs/reference", `${name}.md`);
    await Bun.write(path, text);
    say(`wrote ${path}`);
  }
  return 0;
}
