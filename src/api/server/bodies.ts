import { limits } from "./limits.ts";
import { Refusal } from "./refusal.ts";

/** The bodies of known callers that are on their way: a few slow ones of each user, so that nobody takes up every call there may be. */
export class Bodies {
  private readonly byUser = new Map<string, number>();

  async read<T>(user: string, work: () => Promise<T>): Promise<T> {
    const reading = this.byUser.get(user) ?? 0;
    if (reading >= limits.bodiesPerUserMax) throw new Refusal("unavailable", `${limits.bodiesPerUserMax} requests of ${user} are still on their way.`, { hint: "Send them to their ends before others." });
    this.byUser.set(user, reading + 1);
    try {
      return await work();
    } finally {
      const left = (this.byUser.get(user) ?? 1) - 1;
      if (left === 0) this.byUser.delete(user);
      else this.byUser.set(user, left);
    }
  }
}
