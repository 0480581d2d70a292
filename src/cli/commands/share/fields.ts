import type { Flag } from "../../remote/index.ts";

/** What of a share can be set when it is made and changed later. */
export const shareFlags: readonly Flag[] = [
  { flags: "--description <text>", help: "what it is for", field: "description" },
  { flags: "--durability <word>", help: "when a COMMIT is answered: writeback survives a killed server, local a power cut, too, remote waits until it is in the block store", field: "durability" },
  { flags: "--read-only [boolean]", help: "refuse every change", field: "read_only" },
  { flags: "--default-permission <level>", help: "what they may whom no grant names", field: "default_permission" },
  { flags: "--squash <word>", help: "how the user ids of clients are taken", field: "squash" },
  { flags: "--anonymous-uid <number>", help: "the user id of squashed callers", field: "anonymous_uid" },
  { flags: "--anonymous-gid <number>", help: "the group id of squashed callers", field: "anonymous_gid" },
  { flags: "--allowed-clients <networks>", help: "addresses and networks to let in, with commas between; default: as the server's configuration says", field: "allowed_clients", nullWord: "default" },
  { flags: "--netgroups <names>", help: "netgroups to let in, with commas between", field: "netgroups" },
  { flags: "--protocols <words>", help: "what serves it: nfs, smb, both with a comma between, or none", field: "protocols", as: "protocols" },
  { flags: "--manage-groups [boolean]", help: "take callers' groups from the control plane, not from the call, which holds 16 at most", field: "manage_groups" },
  { flags: "--smb-encryption <word>", help: "over SMB: off, preferred (clients that can are told to) or required", field: "smb_encryption" },
  { flags: "--smb-guest [boolean]", help: "over SMB, let in who comes without a name, as the anonymous user", field: "smb_guest" },
  { flags: "--smb-continuously-available [boolean]", help: "over SMB, keep opens over a restart of the server where clients ask for it", field: "smb_continuously_available" },
  { flags: "--quota-bytes <size>", help: "the most it is meant to hold, such as 500GiB, or none; noted with the share, and NOT enforced by this version", field: "quota_bytes", as: "size", nullWord: "none" },
  { flags: "--quota-files <number>", help: "the most files it is meant to hold, or none; noted with the share, and NOT enforced by this version", field: "quota_files", nullWord: "none" },
  { flags: "--scrub-rate <size>", help: "bytes a second, such as 20MiB, at which all content is read again and again and compared with its checksums; none: never", field: "scrub_rate", as: "size", nullWord: "none" },
  { flags: "--enabled [boolean]", help: "whether it is served", field: "enabled" },
];

export const shareArgument = { name: "<share>", help: "the share, such as /export" } as const;
