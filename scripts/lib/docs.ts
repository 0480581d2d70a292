import { join } from "node:path";
import { apiReference } from "../../src/api/contract/reference.ts";
import { commandsManPage, commandsPage } from "../../src/cli/program.ts";
import { configReference } from "../../src/config/index.ts";
import { metricsReference, withReference } from "../../src/telemetry/metrics/reference.ts";
import { dashboardPages } from "./dashboards/index.ts";
import { root, say } from "./shell.ts";

/** Writes the pages that are made from the source. */
export async function docs(): Promise<number> {
  const pages = { "configuration.md": configReference(), "commands.md": commandsPage(), "dittofs.1": commandsManPage(), "api.md": apiReference() };
  for (const [name, text] of Object.entries(pages)) {
    const path = join(root, "docs/reference", name);
    await Bun.write(path, text);
    say(`wrote ${path}`);
  }
  const observability = join(root, "docs/observability.md");
  await Bun.write(observability, withReference(await Bun.file(observability).text(), metricsReference()));
  say(`wrote the metrics of ${observability}`);
  for (const [name, text] of Object.entries(dashboardPages())) {
    const path = join(root, "docs/monitoring", name);
    await Bun.write(path, text);
    say(`wrote ${path}`);
  }
  return 0;
}
