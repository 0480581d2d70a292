import { checkCidr, checkShareName } from "#config/checks.ts";
import { Durability, Encryption, Squash } from "#model/credentials.ts";
import { accessLevels } from "#model/identity.ts";
import { Faults, idFault, meant, oneOfFault, textFault, wholeFault } from "../checks.ts";
import type { NewShare, ShareFields } from "../nouns.ts";
import type { State } from "../state/index.ts";

const clientsMax = 1000;
const netgroupsMax = 100;

/** What a share has that nobody chose otherwise for. */
export const shareDefaults: ShareFields & { readonly rootMode: number } = {
  description: "",
  durability: Durability.local,
  readOnly: false,
  defaultPermission: "none",
  squash: Squash.rootToGuest,
  anonymousUid: 65534,
  anonymousGid: 65534,
  allowedClients: null,
  netgroups: [],
  protocols: { nfs: true, smb: true },
  manageGroups: false,
  smbEncryption: Encryption.off,
  smbGuest: false,
  smbContinuouslyAvailable: false,
  quotaBytes: null,
  quotaFiles: null,
  scrubRate: null,
  enabled: true,
  rootMode: 0o1777,
};

/** Says of every field at once what is wrong with it. */
export function checkShare(state: State, share: Partial<ShareFields> & Pick<NewShare, "rootMode">, what: string, faults: Faults = new Faults()): void {
  const each = <T>(value: T | undefined, field: string, fault: (value: T) => string | null) => {
    if (value !== undefined) faults.check(field, fault(value));
  };
  each(share.description, "description", textFault);
  each(share.durability, "durability", (value) => oneOfFault(value, Object.values(Durability)));
  each(share.defaultPermission, "default_permission", (value) => oneOfFault(value, accessLevels));
  each(share.squash, "squash", (value) => oneOfFault(value, Object.values(Squash)));
  each(share.smbEncryption, "smb_encryption", (value) => oneOfFault(value, Object.values(Encryption)));
  each(share.anonymousUid, "anonymous_uid", idFault);
  each(share.anonymousGid, "anonymous_gid", idFault);
  each(share.quotaBytes, "quota_bytes", quotaFault);
  each(share.quotaFiles, "quota_files", quotaFault);
  each(share.scrubRate, "scrub_rate", scrubRateFault);
  each(share.rootMode, "root_mode", (mode) => (wholeFault(mode, 0, 0o7777) === null ? null : "must be permission bits, from 0 to 7777 octal"));
  if (share.allowedClients !== undefined && share.allowedClients !== null) checkClients(faults, share.allowedClients);
  if (share.netgroups !== undefined) checkNetgroups(faults, state, share.netgroups);
  faults.refuse(what);
}

/** Slower than this a pass of anything would never end. */
const scrubRateMin = 64 * 1024;

function scrubRateFault(value: number | null): string | null {
  return value === null ? null : (wholeFault(value, scrubRateMin, Number.MAX_SAFE_INTEGER));
}

function quotaFault(quota: number | null): string | null {
  return quota === null ? null : wholeFault(quota, 0, Number.MAX_SAFE_INTEGER);
}

function checkClients(faults: Faults, clients: readonly string[]): void {
  if (clients.length > clientsMax) faults.add("allowed_clients", `must be ${clientsMax} at most; use networks or netgroups`);
  else clients.forEach((client, i) => faults.check(`allowed_clients.${i}`, checkCidr(client)));
}

function checkNetgroups(faults: Faults, state: State, netgroups: readonly string[]): void {
  if (netgroups.length > netgroupsMax) return faults.add("netgroups", `must be ${netgroupsMax} at most`);
  const names = state.netgroups.all().map(({ name }) => name);
  netgroups.forEach((name, i) => {
    if (!names.includes(name)) faults.add(`netgroups.${i}`, `there is no netgroup ${JSON.stringify(name.slice(0, 64))}${meant(name, names)}`);
  });
}

/** A name is a path to NFS and, without its slash, a name to SMB and to the data directory. */
export function shareNameFault(name: string): string | null {
  return textFault(name, 255) ?? checkShareName(name);
}

/** Names that SMB, and file systems that fold case, take for the same are equal in this. */
export function foldedName(name: string): string {
  return name.normalize("NFC").toLowerCase();
}
