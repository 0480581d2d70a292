import { FFIType, type Pointer, ptr } from "bun:ffi";
import { functionsOfLibc, hasLinuxLayouts } from "#base/libc.ts";

const IPPROTO_TCP = 6;
const TCP_INFO = 11;
/** struct tcp_info (linux/tcp.h) up to the fields that are read, as 32-bit words: `tcpi_unacked`, `tcpi_last_ack_recv`, in ms, and `tcpi_bytes_acked`. */
const infoWords = 32;
const unackedWord = 6;
const lastAckWord = 14;
const bytesAckedWord = 30;

/** For how long a peer has acknowledged nothing of what it was sent and should have; 0: it has all, or nobody knows. */
export type Unacknowledged = (fd: number) => number;

/** How many bytes a peer has acknowledged, modulo 2^32: another number than before is progress. -1: nobody knows. */
export type Acknowledged = (fd: number) => number;

/** By getsockopt(2), on 64-bit little-endian Linux; elsewhere nobody knows. */
export function linuxUnacknowledged(): Unacknowledged {
  const infoOf = tcpInfo();
  return (fd) => {
    const info = infoOf(fd);
    return info === null || info[unackedWord] === 0 ? 0 : info[lastAckWord]!;
  };
}

/** As `linuxUnacknowledged`. */
export function linuxAcknowledged(): Acknowledged {
  const infoOf = tcpInfo();
  return (fd) => infoOf(fd)?.[bytesAckedWord] ?? -1;
}

/** Gives what the kernel says of a socket, good until the next call; null where it says nothing. */
function tcpInfo(): (fd: number) => Uint32Array | null {
  if (!hasLinuxLayouts()) return unknown;
  const symbols = functionsOfLibc({ getsockopt: { args: [FFIType.i32, FFIType.i32, FFIType.i32, FFIType.ptr, FFIType.ptr], returns: FFIType.i32 } });
  if (symbols === null) return unknown;
  const info = new Uint32Array(infoWords);
  const length = new Uint32Array(1);
  return (fd) => {
    length[0] = info.byteLength;
    return fd < 0 || symbols.getsockopt(fd, IPPROTO_TCP, TCP_INFO, ptr(info) as Pointer, ptr(length) as Pointer) !== 0 ? null : info;
  };
}

function unknown(): null {
  return null;
}
