import { rmSync } from "node:fs";
import type { Finding, Watch } from "#check/index.ts";
import { replaceFile } from "../process/durable-files.ts";
import { findingsMax } from "../server/jobs.ts";

/** The file in a share's directory that names the damage the last check left. */
export const damageFile = "damage.json";
const formatVersion = 1;

/** Notes the damage that a check finds and doesn't repair, on its way to whoever follows the check. */
export class DamageRecord implements Watch {
  private readonly watch: Watch;
  private readonly left: Finding[] = [];
  private total = 0;

  constructor(watch: Watch) {
    this.watch = watch;
  }

  get cancelled(): boolean {
    return this.watch.cancelled;
  }

  step(name: string, total: number | null, unit: string): void {
    this.watch.step(name, total, unit);
  }

  advance(by: number): void {
    this.watch.advance(by);
  }

  found(finding: Finding): void {
    this.watch.found(finding);
    if (finding.severity !== "damage" || finding.repaired) return;
    this.total++;
    if (this.left.length < findingsMax) this.left.push(finding);
  }

  /** A share without damage has no such file. */
  write(path: string, sec: number): void {
    if (this.total === 0) return rmSync(path, { force: true });
    replaceFile(path, `${JSON.stringify({ version: formatVersion, checkedAt: sec, total: this.total, findings: this.left }, null, 1)}\n`);
  }
}
