/**
 * What Apple's clients ask for beside SMB: the AAPL create context, by which they learn what server and volume can do, and listings that
 * carry what Finder shows, so that it need not open every file. Nothing of it is in a specification; it is as macOS and Samba have it.
 */
export { aaplAnswer, aaplContext } from "./context.ts";
export { readAfpInfo, sizeAfpInfo, writeAfpInfo } from "./afp-info.ts";
export { afpInfoBytes, AppleStream, factsOfStream, isHollow, openedAppleStream } from "./afp-streams.ts";
export { copyFile } from "./copy-file.ts";
export { appleFacts, appleFactsWithStreams, modeBits, needsStreams } from "./facts.ts";
export { leaveAppleStream } from "./leaving.ts";
export { modeAskedFor, withNfsAces, withoutNfsAces } from "./nfs-aces.ts";
