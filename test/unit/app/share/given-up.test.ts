import { expect, test } from "bun:test";
import { GivenUp } from "#app/share/given-up.ts";
import { HistoryError, UnfencedStore } from "#history/index.ts";
import { StoreUnavailableError } from "#model/block-store.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { sharePlan } from "../kit.ts";

const plan = sharePlan("/export");

function given() {
  const clock = new ManualClock();
  let tries = 0;
  const givenUp = new GivenUp(clock, async () => void tries++);
  /** Tries within so many seconds. */
  const within = (sec: number): number => {
    const before = tries;
    clock.pass(sec * 1000);
    return tries - before;
  };
  return { givenUp, within, clock };
}

test("a share that another server has is closed for good", () => {
  const { givenUp, within, clock } = given();
  const taken = new HistoryError("taken");
  givenUp.teller(plan)(taken);
  expect(givenUp.has(plan)).toBeTrue();
  for (let times = 0; times < 2; times++) expect(() => givenUp.refuse(plan)).toThrow("taken");
  givenUp.comeBack([taken]);
  expect([within(3600), clock.pending]).toEqual([0, 0]);
});

test("one whose store keeps no two servers apart is closed, and tried again, ever less often, until it opens", () => {
  const { givenUp, within } = given();
  const unfenced = new UnfencedStore("unfenced");
  givenUp.teller(plan)(unfenced);
  expect(givenUp.has(plan)).toBeTrue();
  givenUp.refuse(plan);
  expect(givenUp.has(plan)).toBeFalse();
  for (const sec of [30, 60, 120, 240, 240]) {
    givenUp.comeBack([unfenced]);
    expect([within(sec - 1), within(1)]).toEqual([0, 1]);
  }
  // It opened; later it is another's turn.
  givenUp.comeBack([]);
  givenUp.comeBack([unfenced]);
  expect([within(29), within(1)]).toEqual([0, 1]);
});

test("one whose store is away is tried again soon, whatever another waits for", () => {
  const { givenUp, within } = given();
  givenUp.comeBack([new UnfencedStore("unfenced")]);
  givenUp.comeBack([new UnfencedStore("unfenced"), new StoreUnavailableError("away")]);
  expect([within(1), within(1)]).toEqual([0, 1]);
});
