import { checkCidr } from "#config/checks.ts";
import { isIP } from "node:net";
import { alreadyExists, checkVersion, Faults, nameFault, notFound, oneOfFault, textFault } from "../checks.ts";
import { type Core, make, newId } from "../core.ts";
import type { Row } from "../database/columns.ts";
import { tables } from "../database/tables.ts";
import { ControlError } from "../errors.ts";
import type { Actor, Netgroup, NetgroupMember } from "../nouns.ts";
import type { IfVersion, Netgroups } from "../services.ts";
import type { Change } from "../state/index.ts";
import type { HostNames } from "./host-names.ts";

type NetgroupRow = Row<typeof tables.netgroups>;
type MemberRow = Row<typeof tables.netgroupMembers>;

export interface NetgroupsParts extends Core {
  readonly hostNames: HostNames;
}

/** More would make every new connection slow to admit. */
const membersMax = 1000;
const memberTypes: readonly NetgroupMember["type"][] = ["ip", "cidr", "hostname"];

export class NetgroupService implements Netgroups {
  private readonly parts: NetgroupsParts;

  constructor(parts: NetgroupsParts) {
    this.parts = parts;
  }

  list(): readonly Netgroup[] {
    return this.parts.state.netgroups.all().map((row) => this.view(row));
  }

  get(name: string): Netgroup {
    return this.view(this.row(name));
  }

  async create(actor: Actor, netgroup: { readonly name: string; readonly description?: string }): Promise<Netgroup> {
    const { name, description = "" } = netgroup;
    await this.change(actor, "create", name, (draft) => {
      const faults = new Faults();
      faults.check("name", nameFault(name));
      faults.check("description", textFault(description));
      faults.refuse("netgroup");
      if (this.parts.state.netgroups.by("name", name) !== null) throw alreadyExists("netgroup", name);
      draft.insert(tables.netgroups, { id: newId(this.parts.random), name, description });
    });
    return this.get(name);
  }

  async delete(actor: Actor, name: string, ifVersion: IfVersion): Promise<void> {
    await this.change(actor, "delete", name, (draft) => {
      const row = this.row(name);
      checkVersion(ifVersion, row, `netgroup ${name}`);
      const users = this.sharesWith(row);
      if (users.length > 0) throw new ControlError("in_use", `Netgroup ${name} is let in by ${users.join(", ")}.`, { hint: "Take it out of those shares first." });
      draft.remove(tables.netgroups, row);
    });
  }

  async addMember(actor: Actor, name: string, member: { readonly type: NetgroupMember["type"]; readonly value: string }): Promise<Netgroup> {
    const { type } = member;
    // Names differ in case only to people.
    const value = type === "hostname" ? member.value.toLowerCase().replace(/\.$/, "") : member.value;
    await this.change(actor, "add_member", name, (draft) => {
      const row = this.row(name);
      const faults = new Faults();
      faults.check("type", oneOfFault(type, memberTypes));
      faults.check("value", memberFault(type, value));
      faults.refuse(`netgroup ${name}`);
      const members = this.parts.state.netgroupMembers.in("netgroupId", row.id);
      if (members.some((one) => one.type === type && one.value === value)) throw new ControlError("already_exists", `${value} is in netgroup ${name} already.`);
      if (members.length >= membersMax) throw new ControlError("invalid_value", `Netgroup ${name} has ${membersMax} members already.`, { hint: "Use networks instead of single addresses." });
      draft.insert(tables.netgroupMembers, { id: newId(this.parts.random), netgroupId: row.id, type, value });
      draft.touch(tables.netgroups, row);
    });
    this.parts.hostNames.look();
    return this.get(name);
  }

  async removeMember(actor: Actor, name: string, id: string, ifVersion: IfVersion): Promise<void> {
    await this.change(actor, "remove_member", name, (draft) => {
      const row = this.row(name);
      checkVersion(ifVersion, row, `netgroup ${name}`);
      const member = this.parts.state.netgroupMembers.get(id);
      if (member === null || member.netgroupId !== row.id) throw new ControlError("not_found", `Netgroup ${name} has no member of that id.`, { hint: "Show the netgroup to see the ids of its members." });
      draft.remove(tables.netgroupMembers, member);
      draft.touch(tables.netgroups, row);
    });
  }

  private change(actor: Actor, verb: string, name: string, draft: Change["make"]): Promise<unknown> {
    const view = () => {
      const row = this.parts.state.netgroups.by("name", name);
      if (row === null) return null;
      const members = this.members(row).map(({ id, type, value }) => ({ id, type, value }));
      return { name: row.name, description: row.description, members, version: row.version };
    };
    return make(this.parts, { actor, action: `netgroups.${verb}`, target: { type: "netgroup", name }, view, make: draft });
  }

  private row(name: string): NetgroupRow {
    const { netgroups } = this.parts.state;
    const row = netgroups.by("name", name);
    if (row !== null) return row;
    throw notFound("netgroup", name, netgroups.all().map((netgroup) => netgroup.name));
  }

  private view(row: NetgroupRow): Netgroup {
    const { name, description, version, createdAt, updatedAt } = row;
    const members = this.members(row).map((member) => ({
      id: member.id,
      type: member.type as NetgroupMember["type"],
      value: member.value,
      addresses: member.type === "hostname" ? this.parts.hostNames.addresses(member.value) : [member.value],
    }));
    return { name, description, members, usedBy: this.sharesWith(row), version, createdAt, updatedAt };
  }

  private members(row: NetgroupRow): readonly MemberRow[] {
    return [...this.parts.state.netgroupMembers.in("netgroupId", row.id)].sort((a, b) => (a.value === b.value ? (a.type < b.type ? -1 : 1) : a.value < b.value ? -1 : 1));
  }

  /** Those that are deleted, too: they may be taken over. */
  private sharesWith(row: NetgroupRow): readonly string[] {
    return this.parts.state.shares.all().filter(({ netgroups }) => netgroups.includes(row.id)).map(({ name }) => name);
  }
}

function memberFault(type: NetgroupMember["type"], value: string): string | null {
  if (type === "ip") return isIP(value) === 0 || value.includes("%") ? "must be an IPv4 or IPv6 address such as 10.0.0.7" : null;
  if (type === "cidr") return value.includes("/") ? checkCidr(value) : "must be a network such as 192.168.1.0/24";
  // RFC 1123 §2.1; underscores are met in the wild.
  const label = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;
  if (value.length > 253 || !value.split(".").every((part) => label.test(part))) return "must be a host name such as build1.example.com";
  return isIP(value) === 0 && !/^[\d.]+$/.test(value) ? null : "is an address: add it as ip";
}
