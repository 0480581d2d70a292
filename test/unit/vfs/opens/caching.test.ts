import { expect, test } from "bun:test";
import { breakOf, Cached, Cause, type Company, leaseGrant, oplockGrant } from "#vfs/opens/caching.ts";

const { none, read, handle, write, all } = Cached;
const RH = read | handle;
const RW = read | write;

/** Sets that may be held. */
const states = [none, read, RH, RW, all];
const alone: Company = { others: false, written: false, handleKept: false, oplock: false, locked: false, directory: false };
const flags = Object.keys(alone) as (keyof Company)[];

function* companies(): Generator<Company> {
  for (let bits = 0; bits < 1 << flags.length; bits++) {
    yield Object.fromEntries(flags.map((flag, i) => [flag, (bits & (1 << i)) !== 0])) as unknown as Company;
  }
}

/** MS-FSA 2.1.4.12: what each cause leaves of each set of a lease, and whether it waits. */
const breaks: Readonly<Record<Cause, Readonly<Record<number, readonly [number, boolean]>>>> = {
  open: { [none]: [none, false], [read]: [read, false], [RH]: [RH, false], [RW]: [read, true], [all]: [RH, true] },
  overwrite: { [none]: [none, false], [read]: [none, false], [RH]: [none, false], [RW]: [none, true], [all]: [none, true] },
  sharing: { [none]: [none, false], [read]: [read, false], [RH]: [read, true], [RW]: [RW, false], [all]: [RW, true] },
  content: { [none]: [none, false], [read]: [none, false], [RH]: [none, false], [RW]: [none, true], [all]: [none, true] },
  name: { [none]: [none, false], [read]: [read, false], [RH]: [read, true], [RW]: [RW, false], [all]: [RW, true] },
  directory: { [none]: [none, false], [read]: [none, false], [RH]: [none, false], [RW]: [none, false], [all]: [none, false] },
};

test("each cause breaks each lease as the table has it", () => {
  for (const cause of Object.values(Cause)) {
    for (const state of states) {
      const [to, waits] = breaks[cause][state]!;
      expect({ cause, state, ...breakOf(cause, state, false) }).toEqual({ cause, state, to, waits });
    }
  }
});

test("an oplock breaks when a lease of its set does, and goes down to level II or nothing", () => {
  for (const cause of Object.values(Cause)) {
    for (const state of states) {
      const lease = breakOf(cause, state, false);
      const expected = lease.to === state ? state : lease.to & read;
      expect({ cause, state, ...breakOf(cause, state, true) }).toEqual({ cause, state, to: expected, waits: lease.waits });
    }
  }
});

test("alone, every set that can be held is granted, and nothing is in place of one that can't", () => {
  for (let asked = 0; asked <= all; asked++) expect(leaseGrant(asked, alone)).toBe(states.includes(asked as never) ? asked : none);
});

test("whatever else there is, what is granted was asked for, can be held, and agrees with the others", () => {
  for (const company of companies()) {
    for (let asked = 0; asked <= all; asked++) {
      const lease = leaseGrant(asked, company);
      expect(lease & ~asked).toBe(0);
      expect(states).toContain(lease as never);
      if (company.others || company.directory) expect(lease & write).toBe(0);
      if (company.written) expect(lease).toBe(none);
      if (company.oplock) expect(lease & handle).toBe(0);
      if (company.locked) expect(lease & read).toBe(0);
    }
    for (const asked of [read, RW, all]) {
      const oplock = oplockGrant(asked, company);
      expect([none, read, asked]).toContain(oplock);
      if (company.handleKept || company.written || company.directory || company.locked) expect(oplock).toBe(none);
      else expect(oplock).toBe(company.others ? read : asked);
    }
  }
});
