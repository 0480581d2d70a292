import { nameBytesMax } from "#model/ids.ts";
import { FileType } from "#model/inode.ts";
import type { AttributeRequest, NodeKind } from "#vfs/file-system.ts";
import { FType3, NfsStat3 } from "#wire/nfs3.ts";
import { XdrFailure, type XdrReader } from "#wire/xdr-reader.ts";
import { readAttributeRequest } from "../attributes.ts";
import { answerCreated } from "./created.ts";
import { fail, FailureBody, firstName, idOf, locate, type Nfs3Settings, procedure, refuse, whoOf } from "./reply.ts";

/** MKNOD (RFC 1813 §3.3.11): devices, FIFOs and sockets, as metadata. */
export const mknod = (settings: Nfs3Settings) =>
  procedure("MKNOD", FailureBody.wcc, true, async (call, args) => {
    const fs = locate(call, args, settings);
    if (fs === null) return;
    const name = args.name(nameBytesMax);
    const type = args.u32();
    const made = readNode(args, type);
    if (args.failure !== XdrFailure.none) return refuse(call, args.failure);
    if (typeof made === "number") return fail(call, made);
    answerCreated(call, await fs.mknod(whoOf(call), idOf(call), name, made.kind, made.request));
  }, firstName);

/** The node asked for; BADTYPE for a regular file, directory, link or a type there is none of. */
function readNode(args: XdrReader, type: number): { readonly kind: NodeKind; readonly request: AttributeRequest } | NfsStat3 {
  switch (type) {
    case FType3.NF3BLK:
    case FType3.NF3CHR: {
      const request = readAttributeRequest(args);
      const major = args.u32();
      const minor = args.u32();
      if (typeof request === "number") return request;
      return { kind: { type: type === FType3.NF3BLK ? FileType.block : FileType.character, major, minor }, request };
    }
    case FType3.NF3SOCK:
    case FType3.NF3FIFO: {
      const request = readAttributeRequest(args);
      if (typeof request === "number") return request;
      return { kind: { type: type === FType3.NF3SOCK ? FileType.socket : FileType.fifo }, request };
    }
    default:
      return NfsStat3.NFS3ERR_BADTYPE;
  }
}
