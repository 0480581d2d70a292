/**
 * Security descriptors as SMB has them: the rights an open file is given (MS-SMB2 3.3.5.9), descriptors shown and set part by part
 * (MS-SMB2 3.3.5.20.3, 3.3.5.21.3). Judging by them, inheriting and deriving them is vfs's.
 */
export { describe, rightsToQuery } from "./descriptors.ts";
export { grantAccess, maximalAccess, momentaryRights, shareAccess } from "./granted.ts";
export { setSecurity } from "./set-security.ts";
