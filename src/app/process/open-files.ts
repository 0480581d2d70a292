import { readFileSync } from "node:fs";

/** Descriptors the stores and the log of a share need at most, and some to spare, besides files of blocks kept open for reading. */
const descriptorsPerShare = 128;
const descriptorsBesides = 64;
/** Files of blocks that a share keeps open: so many where the system lets it, so few where it doesn't, a part of the limit between. */
const blockFilesMax = 256;
const blockFilesMin = 16;
const blockFilesPart = 1 / 400;

/** The REST interface's connections: so many, and no more than this part of what the first share leaves, but a few. */
const apiConnectionsMax = 1024;
const apiConnectionsMin = 16;
const apiPart = 1 / 8;

/** With fewer connections than these a server is of no use, however many shares it has. */
const connectionsMin = 64;

/** How many files and sockets the system lets this process open; null where it doesn't say. */
export function openFilesMax(limits: string | null = procLimits()): number | null {
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits ?? "")?.[1];
  return soft === undefined || soft === "unlimited" ? null : Number(soft);
}

function procLimits(): string | null {
  try {
    return readFileSync("/proc/self/limits", "utf8");
  } catch {
    return null;
  }
}

/**
 * The connections that may be held at once: as many as asked for, as long as the descriptors left are enough for the stores. A
 * crowd of clients must never keep the server from opening its own files.
 */
export function connectionsWithin(asked: number, shares: number, filesMax: number | null): number {
  if (filesMax === null) return asked;
  return Math.max(1, Math.min(asked, filesMax - shares * descriptorsOf(filesMax) - descriptorsBesides - apiConnectionsWithin(filesMax)));
}

/** The shares that leave descriptors for clients. */
export function sharesWithin(filesMax: number | null): number {
  if (filesMax === null) return Number.POSITIVE_INFINITY;
  return Math.max(1, Math.floor((filesMax - connectionsMin - descriptorsBesides - apiConnectionsWithin(filesMax)) / descriptorsOf(filesMax)));
}

/** The connections the REST interface may hold: whoever opens more must not take a descriptor from the file service. */
export function apiConnectionsWithin(filesMax: number | null): number {
  if (filesMax === null) return apiConnectionsMax;
  const left = filesMax - descriptorsOf(filesMax) - descriptorsBesides;
  return Math.max(apiConnectionsMin, Math.min(apiConnectionsMax, Math.floor(left * apiPart)));
}

/** The files of blocks a share may keep open for reading: kept so few that a low limit is enough for more than one or two shares. */
export function blockFilesWithin(filesMax: number | null): number {
  if (filesMax === null) return blockFilesMax;
  return Math.max(blockFilesMin, Math.min(blockFilesMax, Math.floor(filesMax * blockFilesPart)));
}

function descriptorsOf(filesMax: number): number {
  return descriptorsPerShare + blockFilesWithin(filesMax);
}
