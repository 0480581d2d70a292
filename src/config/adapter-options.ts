import { checkAddress } from "./checks.ts";
import { choice, integer, section, size, text, toggle } from "./option.ts";

const KiB = 2 ** 10;
const MiB = 2 ** 20;

/** Versions of SMB 2 and 3, oldest first. */
export const smbDialects = ["SMB2_02", "SMB2_10", "SMB3_00", "SMB3_02", "SMB3_11"] as const;

const nfs = section("NFS version 3, with MOUNT on the same port.", {
  enabled: toggle({ help: "Serve NFS at all.", default: true, example: "true", since: "0.1.0" }),
  port: integer({ help: "TCP port of NFS and MOUNT; 0 takes a free one.", min: 0, max: 65535, default: 12049, example: "2049", since: "0.1.0" }),
  bind: text({ help: "Address to listen on.", default: "0.0.0.0", example: "127.0.0.1", since: "0.1.0", flag: "--bind", allowed: "an IPv4 or IPv6 address", check: checkAddress }),
  max_read_size: size({ help: "The largest READ a client is offered.", min: 4 * KiB, max: 16 * MiB, default: MiB, example: "4MiB", since: "0.1.0" }),
  max_write_size: size({ help: "The largest WRITE a client is offered.", min: 4 * KiB, max: 16 * MiB, default: MiB, example: "4MiB", since: "0.1.0" }),
  max_connections: integer({ help: "Connections held at once; the next is closed.", min: 1, max: 1_000_000, default: 16384, example: "1024", since: "0.1.0" }),
  portmapper: section("The embedded portmapper (PMAP v2, RPCBIND v3 and v4), for showmount, rpcinfo and Windows' client.", {
    enabled: toggle({ help: "Serve it, over TCP and UDP, on the address of NFS.", default: false, example: "true", since: "0.1.0" }),
    port: integer({ help: "Its port. Clients look on 111, which needs privileges; 0 takes a free one.", min: 0, max: 65535, default: 10111, example: "111", since: "0.1.0" }),
  }),
});

const smb = section("SMB 2 and 3, for Windows, macOS and Linux.", {
  enabled: toggle({ help: "Serve SMB at all.", default: true, example: "true", since: "0.1.0" }),
  port: integer({ help: "TCP port of SMB; 0 takes a free one. Many clients know no port but 445.", min: 0, max: 65535, default: 12445, example: "445", since: "0.1.0" }),
  bind: text({
    help: "Address to listen on. Empty: that of NFS.",
    default: "",
    example: "127.0.0.1",
    since: "0.1.0",
    allowed: "an IPv4 or IPv6 address, or nothing",
    check: (value) => (value === "" ? null : checkAddress(value)),
  }),
  min_dialect: choice({ help: "The oldest version of SMB that is spoken: 2.0.2 is SMB2_02, 3.1.1 is SMB3_11.", of: smbDialects, default: "SMB2_02", example: "SMB3_00", since: "0.1.0" }),
  max_dialect: choice({ help: "The newest version of SMB that is spoken.", of: smbDialects, default: "SMB3_11", example: "SMB3_11", since: "0.1.0" }),
  signing: choice({
    help: "enabled signs for clients that want it; required refuses those that neither sign nor encrypt, guests too, who have no key.",
    of: ["enabled", "required"],
    default: "enabled",
    example: "required",
    since: "0.1.0",
  }),
  encryption: choice({
    help: "off tells nobody to encrypt, and lets who wants to; preferred tells clients that can (SMB 3); required refuses those that can't. A share can ask for more.",
    of: ["off", "preferred", "required"],
    default: "off",
    example: "required",
    since: "0.1.0",
  }),
  max_transfer_size: size({ help: "The largest READ, WRITE and listing a client is offered.", min: 64 * KiB, max: 8 * MiB, default: MiB, example: "4MiB", since: "0.1.0" }),
  max_connections: integer({ help: "Connections held at once; the next is closed.", min: 1, max: 1_000_000, default: 16384, example: "1024", since: "0.1.0" }),
  test_controls: toggle({ help: "Answer the controls by which Samba's smbtorture has its own connections answered unusually or counted as lost. For tests; nobody else asks for it.", default: false, example: "true", since: "0.1.0" }),
});

export const adapterOptions = section("The protocols. A key given here, by environment or by flag overrides, for this run, what the control plane has.", { nfs, smb });
