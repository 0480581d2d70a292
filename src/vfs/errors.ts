import { FsError } from "#model/fs-error.ts";

/** The outcomes operations answer with, by name, so that a hot path names a constant instead of looking one up. */
export const stale = FsError.of("stale");
export const noEntry = FsError.of("noEntry");
export const denied = FsError.of("access");
export const notPermitted = FsError.of("perm");
export const exists = FsError.of("exists");
export const notDirectory = FsError.of("notDirectory");
export const isDirectory = FsError.of("isDirectory");
export const invalid = FsError.of("invalid");
export const nameTooLong = FsError.of("nameTooLong");
export const fileTooBig = FsError.of("fileTooBig");
export const noSpace = FsError.of("noSpace");
export const readOnly = FsError.of("readOnly");
export const tooManyLinks = FsError.of("tooManyLinks");
export const notEmpty = FsError.of("notEmpty");
export const notSync = FsError.of("notSync");
export const badCookie = FsError.of("badCookie");
export const badHandle = FsError.of("badHandle");
export const badType = FsError.of("badType");
export const locked = FsError.of("locked");
export const io = FsError.of("io");
export const jukebox = FsError.of("jukebox");
