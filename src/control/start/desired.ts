import type { Accounts } from "#model/identity.ts";
import type { SharePlans } from "../effects/index.ts";
import type { AdapterPlan, Desired } from "../runtime.ts";

/** What should run, as of now: the same object as long as nothing of it is another. */
export class DesiredState {
  private readonly shares: SharePlans;
  private readonly adapters: () => readonly AdapterPlan[];
  private readonly accounts: () => Accounts;
  private readonly logging: () => Desired["logging"];
  private last: Desired | null = null;

  constructor(shares: SharePlans, adapters: () => readonly AdapterPlan[], accounts: () => Accounts, logging: () => Desired["logging"]) {
    this.shares = shares;
    this.adapters = adapters;
    this.accounts = accounts;
    this.logging = logging;
  }

  current(): Desired {
    const next: Desired = { shares: this.shares.all(), adapters: this.adapters(), accounts: this.accounts(), logging: this.logging() };
    if (this.last === null || !same(this.last, next)) this.last = next;
    return this.last;
  }
}

/** Plans of shares are the objects they were where nothing of them changed. */
function same(a: Desired, b: Desired): boolean {
  const shares = a.shares.length === b.shares.length && a.shares.every((plan, i) => plan === b.shares[i]);
  return shares && a.accounts === b.accounts && Bun.deepEquals(a.logging, b.logging) && Bun.deepEquals(a.adapters, b.adapters);
}
