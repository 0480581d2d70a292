import { Right, Sharing } from "./rights.ts";

/** A use of a file that an open may keep from others: the rights that are this use, and what allows it. */
interface Use {
  readonly rights: number;
  readonly allowedBy: number;
}

/** MS-FSA 2.1.5.1.2.2. */
export const uses: readonly Use[] = [
  { rights: Right.readData | Right.execute, allowedBy: Sharing.read },
  { rights: Right.writeData | Right.appendData, allowedBy: Sharing.write },
  { rights: Right.delete, allowedBy: Sharing.delete },
];

const usingRights = Right.readData | Right.execute | Right.writeData | Right.appendData | Right.delete;
const attributeRights = Right.readAttributes | Right.writeAttributes | Right.synchronize;

/** Whether an open with these rights takes part in share modes: who looks at or changes attributes alone disturbs nobody. */
export function takesPart(access: number): boolean {
  return (access & usingRights) !== 0;
}

/** Whether an open with these rights asks for attributes alone: it breaks no oplock (MS-FSA 2.1.4.12) and stops none from being granted. */
export function attributesAlone(access: number): boolean {
  return access !== 0 && (access & ~attributeRights) === 0;
}

/** The same of leases, which somebody who reads the security descriptor does not break either. */
export function descriptorAlone(access: number): boolean {
  return access !== 0 && (access & ~(attributeRights | Right.readControl)) === 0;
}

/** Whether two opens of a file exclude each other: each must allow every use that the other makes. */
export function conflict(access: number, sharing: number, otherAccess: number, otherSharing: number): boolean {
  if (!takesPart(access) || !takesPart(otherAccess)) return false;
  for (let i = 0; i < uses.length; i++) {
    const { rights, allowedBy } = uses[i]!;
    if ((access & rights) !== 0 && (otherSharing & allowedBy) === 0) return true;
    if ((otherAccess & rights) !== 0 && (sharing & allowedBy) === 0) return true;
  }
  return false;
}
