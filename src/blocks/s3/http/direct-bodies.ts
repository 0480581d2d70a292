import type { Clock } from "#base/clock.ts";
import type { DirectReceive } from "#base/direct-receive.ts";

/** What one connection receives before the next has its turn, and all together before the event loop has. */
const pieceBytesMax = 1024 * 1024;
const turnBytesMax = 8 * 1024 * 1024;

/** A connection on which a body is on its way whose place is known. */
export interface DirectBody {
  /** Receives what is there, at most `bytesMax` bytes; how much. */
  receive(receiver: DirectReceive, bytesMax: number): number;
}

/**
 * Receives bodies straight into where they go. Bun says of one socket after the other that it has something, and receives up to 512 KiB
 * of that itself: when it has said so of one, all of them are emptied, so that what comes by Bun is the beginning of one of many.
 */
export class DirectBodies {
  readonly #receiver: DirectReceive;
  readonly #clock: Clock;
  /** Who had its turn longest ago first. */
  readonly #bodies = new Set<DirectBody>();
  #asked = false;

  constructor(receiver: DirectReceive, clock: Clock) {
    this.#receiver = receiver;
    this.#clock = clock;
  }

  add(body: DirectBody): void {
    this.#bodies.add(body);
  }

  remove(body: DirectBody): void {
    this.#bodies.delete(body);
  }

  /** Something came: receives whatever is there, and what comes meanwhile at the end of the turn. */
  drain(): void {
    if (this.#receiveAll() > 0) this.#goOn();
  }

  #receiveAll(): number {
    let got = 0;
    for (let left = this.#bodies.size; left > 0 && got < turnBytesMax; left--) {
      const next = this.#bodies.values().next();
      if (next.done === true) break;
      const body = next.value;
      this.#bodies.delete(body);
      this.#bodies.add(body);
      // It leaves by itself where its body ends with this.
      got += body.receive(this.#receiver, pieceBytesMax);
    }
    return got;
  }

  #goOn(): void {
    if (this.#asked) return;
    this.#asked = true;
    this.#clock.atTurnEnd(() => {
      this.#asked = false;
      if (this.#bodies.size > 0) this.drain();
    });
  }
}
