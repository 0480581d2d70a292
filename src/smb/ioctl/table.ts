import type { Maybe } from "#base/brand.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { FsControl, type IoctlRequest } from "#wire/smb2/io.ts";
import type { Call } from "../call.ts";
import type { Open } from "../open/open.ts";
import { getCompression, getIntegrity, objectId, pathnameValid, setCompression, setIntegrity, snapshots } from "./attributes.ts";
import { copyChunks, duplicate, resumeKey } from "./copy.ts";
import { interfaces } from "./network.ts";
import { pipeWait, transceive } from "./pipe.ts";
import { deleteReparse, getReparse, setReparse } from "./reparse.ts";
import { requestResiliency } from "./resiliency.ts";
import { allocatedRanges, fileRegions, setSparse, trim, zeroData } from "./sparse.ts";
import { countAsLost, padIoctl, padReads } from "./torture.ts";
import { validateNegotiate } from "./validate.ts";

type OfOpen = (call: Call, request: IoctlRequest, open: Open) => Maybe<number>;

type OfConnection = (call: Call, request: IoctlRequest) => Maybe<number>;

/** An FSCTL: of an open file or directory, of a pipe, or of the connection, which names no file. */
export type Control =
  | { readonly of: "file" | "pipe"; readonly run: OfOpen }
  | { readonly of: "connection"; readonly run: OfConnection };

function file(run: OfOpen): Control {
  return { of: "file", run };
}

export const controls: ReadonlyMap<number, Control> = new Map<number, Control>([
  [FsControl.VALIDATE_NEGOTIATE_INFO, { of: "connection", run: validateNegotiate }],
  [FsControl.QUERY_NETWORK_INTERFACE_INFO, { of: "connection", run: interfaces }],
  // Nothing here is a namespace of DFS (MS-SMB2 3.3.5.15.2).
  [FsControl.DFS_GET_REFERRALS, { of: "connection", run: () => NtStatus.FS_DRIVER_REQUIRED }],
  [FsControl.DFS_GET_REFERRALS_EX, { of: "connection", run: () => NtStatus.FS_DRIVER_REQUIRED }],
  [FsControl.PIPE_WAIT, { of: "connection", run: pipeWait }],
  [FsControl.PIPE_TRANSCEIVE, { of: "pipe", run: transceive }],
  [FsControl.LMR_REQUEST_RESILIENCY, file(requestResiliency)],
  [FsControl.SRV_REQUEST_RESUME_KEY, file(resumeKey)],
  [FsControl.SRV_COPYCHUNK, file(copyChunks)],
  [FsControl.SRV_COPYCHUNK_WRITE, file(copyChunks)],
  [FsControl.SRV_ENUMERATE_SNAPSHOTS, file(snapshots)],
  // No hashes for branch caches are made (MS-SMB2 3.3.5.15.7).
  [FsControl.SRV_READ_HASH, file(() => NtStatus.HASH_NOT_SUPPORTED)],
  [FsControl.DUPLICATE_EXTENTS_TO_FILE, file(duplicate)],
  [FsControl.DUPLICATE_EXTENTS_TO_FILE_EX, file(duplicate)],
  [FsControl.SET_SPARSE, file(setSparse)],
  [FsControl.SET_ZERO_DATA, file(zeroData)],
  [FsControl.QUERY_ALLOCATED_RANGES, file(allocatedRanges)],
  [FsControl.QUERY_FILE_REGIONS, file(fileRegions)],
  [FsControl.FILE_LEVEL_TRIM, file(trim)],
  [FsControl.GET_COMPRESSION, file(getCompression)],
  [FsControl.SET_COMPRESSION, file(setCompression)],
  [FsControl.GET_INTEGRITY_INFORMATION, file(getIntegrity)],
  [FsControl.SET_INTEGRITY_INFORMATION, file(setIntegrity)],
  [FsControl.CREATE_OR_GET_OBJECT_ID, file(objectId)],
  [FsControl.GET_OBJECT_ID, file(objectId)],
  [FsControl.IS_PATHNAME_VALID, file(pathnameValid)],
  [FsControl.GET_REPARSE_POINT, file(getReparse)],
  [FsControl.SET_REPARSE_POINT, file(setReparse)],
  [FsControl.DELETE_REPARSE_POINT, file(deleteReparse)],
]);

/** What only tests ask for. */
export const testControls: ReadonlyMap<number, OfConnection> = new Map<number, OfConnection>([
  [FsControl.TORTURE_COUNT_AS_LOST, countAsLost],
  [FsControl.TORTURE_PAD_IOCTL, padIoctl],
  [FsControl.TORTURE_PAD_READS, padReads],
]);
