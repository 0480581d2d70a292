import { expect, test } from "bun:test";
import { Right, Sharing } from "#vfs/opens/index.ts";
import { attributesAlone, conflict, descriptorAlone, takesPart } from "#vfs/opens/share-modes.ts";

/** Every right that matters, alone: whom it makes take part, and by which sharing others allow it. */
const kinds = [
  { right: Right.readData, allowedBy: Sharing.read },
  { right: Right.execute, allowedBy: Sharing.read },
  { right: Right.writeData, allowedBy: Sharing.write },
  { right: Right.appendData, allowedBy: Sharing.write },
  { right: Right.delete, allowedBy: Sharing.delete },
  { right: Right.readAttributes, allowedBy: null },
  { right: Right.writeAttributes, allowedBy: null },
  { right: Right.synchronize, allowedBy: null },
  { right: Right.readControl, allowedBy: null },
] as const;

const allows = (sharing: number, allowedBy: number | null): boolean => allowedBy === null || (sharing & allowedBy) !== 0;

test("two opens exclude each other exactly where one makes a use that the other does not share", () => {
  for (const a of kinds) {
    for (const b of kinds) {
      for (let sharingA = 0; sharingA <= Sharing.all; sharingA++) {
        for (let sharingB = 0; sharingB <= Sharing.all; sharingB++) {
          const both = a.allowedBy !== null && b.allowedBy !== null;
          const expected = both && !(allows(sharingB, a.allowedBy) && allows(sharingA, b.allowedBy));
          expect(conflict(a.right, sharingA, b.right, sharingB)).toBe(expected);
          expect(conflict(b.right, sharingB, a.right, sharingA)).toBe(expected);
        }
      }
    }
  }
});

test("rights together need every sharing they need alone", () => {
  const readWrite = Right.readData | Right.writeData;
  expect(conflict(readWrite, Sharing.all, Right.readData, Sharing.read)).toBe(true);
  expect(conflict(readWrite, Sharing.all, Right.readData, Sharing.read | Sharing.write)).toBe(false);
  expect(conflict(Right.readData | Right.readAttributes, Sharing.none, Right.readAttributes, Sharing.none)).toBe(false);
});

test("who asks for attributes alone takes no part; of leases, who reads the descriptor neither", () => {
  for (const { right, allowedBy } of kinds) expect(takesPart(right)).toBe(allowedBy !== null);
  const attributes = Right.readAttributes | Right.writeAttributes | Right.synchronize;
  expect(attributesAlone(attributes)).toBe(true);
  expect(attributesAlone(0)).toBe(false);
  expect(attributesAlone(attributes | Right.readControl)).toBe(false);
  expect(descriptorAlone(attributes | Right.readControl)).toBe(true);
  expect(descriptorAlone(Right.readControl)).toBe(true);
  expect(descriptorAlone(attributes | Right.delete)).toBe(false);
});
