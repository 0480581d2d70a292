import { Encryption, type Squash } from "#model/credentials.ts";
import type { AccessLevel, Identity } from "#model/identity.ts";
import { AllowedClients } from "./clients.ts";

/** The protocols a share can be offered over. */
export interface ShareProtocols {
  readonly nfs: boolean;
  readonly smb: boolean;
}

/** How a share is offered over SMB. */
export interface ShareSmb {
  readonly encryption: Encryption;
  /** Whoever comes without a name, or as a guest, is let in as the anonymous user; never as root. */
  readonly guest: boolean;
  /** Opens survive a restart of the server where clients ask for it (MS-SMB2 persistent handles). */
  readonly continuouslyAvailable: boolean;
}

export const shareSmbDefaults: ShareSmb = { encryption: Encryption.off, guest: false, continuouslyAvailable: false };

/** Levels given to single users, by uid, and to the members of groups, by gid. */
export interface ShareGrants {
  readonly users: ReadonlyMap<number, AccessLevel>;
  readonly groups: ReadonlyMap<number, AccessLevel>;
}

export interface SharePolicyFields {
  /** False: every request is refused, and the data stays. */
  readonly enabled: boolean;
  readonly readOnly: boolean;
  readonly squash: Squash;
  readonly anonymousUid: number;
  readonly anonymousGid: number;
  /** Networks (CIDR) and addresses; names and netgroups are resolved by then. Empty: this machine alone. */
  readonly allowedClients: readonly string[];
  readonly protocols: ShareProtocols;
  /** Absent: as by default. */
  readonly smb?: ShareSmb;
  /** What a caller has whom no grant is for. */
  readonly defaultPermission: AccessLevel;
  readonly grants: ShareGrants;
  readonly identity: Identity;
  /** The groups of a known user are those of `identity`, not those of the call, which holds 16 at most. */
  readonly manageGroups: boolean;
}

/**
 * Who may do what in a share, as operators set it. Immutable: a change is another policy, and whatever was worked out from a
 * policy is good as long as the share has that very object.
 */
export class SharePolicy implements SharePolicyFields {
  readonly enabled: boolean;
  readonly readOnly: boolean;
  readonly squash: Squash;
  readonly anonymousUid: number;
  readonly anonymousGid: number;
  readonly allowedClients: readonly string[];
  readonly protocols: ShareProtocols;
  readonly smb: ShareSmb;
  readonly defaultPermission: AccessLevel;
  readonly grants: ShareGrants;
  readonly identity: Identity;
  readonly manageGroups: boolean;
  private readonly clients: AllowedClients;

  /** Throws for a client that is neither network nor address, naming it. */
  constructor(fields: SharePolicyFields) {
    this.enabled = fields.enabled;
    this.readOnly = fields.readOnly;
    this.squash = fields.squash;
    this.anonymousUid = fields.anonymousUid;
    this.anonymousGid = fields.anonymousGid;
    this.allowedClients = [...fields.allowedClients];
    this.protocols = { nfs: fields.protocols.nfs, smb: fields.protocols.smb };
    this.smb = fields.smb ?? shareSmbDefaults;
    this.defaultPermission = fields.defaultPermission;
    this.grants = { users: new Map(fields.grants.users), groups: new Map(fields.grants.groups) };
    this.identity = fields.identity;
    this.manageGroups = fields.manageGroups;
    this.clients = new AllowedClients(this.allowedClients);
  }

  /** This policy with some of it replaced. */
  with(changes: Partial<SharePolicyFields>): SharePolicy {
    const fields: SharePolicyFields = this;
    return new SharePolicy({ ...fields, ...changes });
  }

  /** Whether a client at this address (IPv4 or IPv6 text, IPv4-mapped too) may use the share over this protocol at all. */
  admits(protocol: keyof ShareProtocols, address: string): boolean {
    return this.enabled && this.protocols[protocol] && this.clients.allows(address);
  }
}
