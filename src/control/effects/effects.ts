import type { Logger } from "#telemetry/logger.ts";
import { capital } from "../checks.ts";
import { ControlError } from "../errors.ts";
import type { Desired, Failure, Runtime } from "../runtime.ts";
import type { Changes, Done } from "../state/index.ts";

export type Target = Failure["target"];

/** Brings changes into effect. A change whose very target can't be brought to what is desired is taken back. */
export class Effects {
  private readonly runtime: Runtime;
  private readonly desired: () => Desired;
  private readonly changes: Changes;
  private readonly logger: Logger;
  /** What the runtime was last asked for, and what came of it; null where that has to be asked for again. */
  private asked: { readonly desired: Desired; readonly outcome: Promise<readonly Failure[]> } | null = null;

  /** What was logged of those that fail. */
  private said: ReadonlyMap<string, string> = new Map();

  constructor(runtime: Runtime, desired: () => Desired, changes: Changes, logger: Logger) {
    this.runtime = runtime;
    this.desired = desired;
    this.changes = changes;
    this.logger = logger;
  }

  /** Brings everything to what is desired; gives what failed. */
  async bring(): Promise<readonly Failure[]> {
    const desired = this.desired();
    if (this.asked?.desired === desired) return this.asked.outcome;
    const asked = { desired, outcome: this.runtime.reconcile(desired) };
    this.asked = asked;
    let failures: readonly Failure[] | null = null;
    try {
      failures = await asked.outcome;
      return failures;
    } finally {
      // What failed is tried again with the next change.
      if (failures?.length !== 0 && this.asked === asked) this.asked = null;
    }
  }

  /** The same where nobody waits for the outcome. */
  async bringAndLog(why: string): Promise<void> {
    try {
      this.log(await this.bring(), why);
    } catch (error) {
      this.logger.error({ error, why }, "a change did not come into effect");
    }
  }

  /**
   * Brings a change into effect. `target`: what it was about; where that fails, the change is undone and the failure thrown, or with
   * `keep` logged as those of others are.
   */
  async bringDone(done: Done, target: Target | readonly Target[] | null, onFailure: "undo" | "keep"): Promise<void> {
    let failures: readonly Failure[];
    try {
      failures = await this.bring();
    } catch (error) {
      this.logger.error({ error, action: done.change.action }, "a change is stored, but did not come into effect");
      throw new ControlError("unavailable", `The change is stored, but did not come into effect: ${(error as Error).message}`, { hint: "It does with the server's next start; the server's log says more." });
    }
    const targets: readonly Target[] = target === null ? [] : [target].flat();
    const own = failures.find((failure) => targets.some(({ type, name }) => failure.target.type === type && failure.target.name === name));
    this.log(
      failures.filter((failure) => failure !== own || onFailure === "keep"),
      done.change.action,
    );
    if (own === undefined || onFailure === "keep") return;
    const undone = await this.undo(done, own);
    throw refusal(own, undone);
  }

  /** Tries once more to bring about what is desired already; throws where this target still fails. */
  async retry(target: Target): Promise<void> {
    this.asked = null;
    const failures = await this.bring();
    const own = failures.find((failure) => failure.target.type === target.type && failure.target.name === target.name);
    if (own !== undefined) throw refusal(own, true);
  }

  /** Whether the change is gone again. */
  private async undo(done: Done, failure: Failure): Promise<boolean> {
    try {
      await this.changes.undo(done, failure.reason);
    } catch (error) {
      this.logger.error({ error, action: done.change.action, target: failure.target.name }, "a change that failed could not be taken back");
      return false;
    }
    await this.bringAndLog(`${done.change.action}.undone`);
    return true;
  }

  /** Once for each reason: what fails is tried again with every change. */
  private log(failures: readonly Failure[], why: string): void {
    for (const { target, reason } of failures) {
      const name = `${target.type} ${target.name}`;
      if (this.said.get(name) !== reason) this.logger.error({ [target.type]: target.name, reason, why }, `the ${target.type} does not run as it should`);
    }
    this.said = new Map(failures.map(({ target, reason }) => [`${target.type} ${target.name}`, reason]));
  }
}

export function refusal({ target, reason }: Failure, undone: boolean): ControlError {
  const code = target.type === "share" ? "store_unreachable" : "conflict";
  const hint = undone ? "Nothing was changed." : "The change could not be taken back; look at it and decide anew.";
  return new ControlError(code, `${capital(target.type)} ${target.name}: ${reason}`, { hint });
}
