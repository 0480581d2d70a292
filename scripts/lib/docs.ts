import { join } from "node:path";
import { commandsPage } from "../../src/cli/index.ts";
import { configReference } from "../../src/config/index.ts";
import { root, say } from "./shell.ts";

/** Writes the pages that are made from the source. */
export async function docs(): Promise<number> {
  for (const [name, text] of [["configuration", configReference()], ["commands", commandsPage()]] as const) {
    const path = join(root, "docs/reference", `${name}.md`);
    await Bun.write(path, text);
    say(`wrote ${path}`);
  }
  return 0;
}
