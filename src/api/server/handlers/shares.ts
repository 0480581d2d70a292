import type { Body } from "#api/contract/route.ts";
import type { shares } from "#api/contract/routes/storage.ts";
import type { Static } from "@sinclair/typebox";
import type { Job as ShownJob, MountInfo, Share as Shown } from "#api/contract/schemas.ts";
import type { JobRequest } from "#control/jobs.ts";
import type { Actor, Share, ShareFields, User } from "#control/nouns.ts";
import { type Answer, type Handlers, type Services, callerOf, given } from "../handler.ts";
import { nfsLines, smbLines } from "../mount-lines.ts";
import { type Orders, found, pageOf } from "../paging.ts";
import { maySee, seesAll, shareNameOf, visibleShare } from "../share-access.ts";
import { diskCacheView, errorFor, historyView, jobView, mountView, scrubView, shareStateOf, shareView } from "../views.ts";
import { mountOrders } from "./clients.ts";

const orders: Orders<"name" | "created_at", Share> = { name: (share) => share.name, created_at: (share) => share.createdAt };

/** What can be changed of a share, in the control plane's words. */
function fieldsOf(body: Body<typeof shares.edit>): Partial<ShareFields> {
  const { read_only, default_permission, anonymous_uid, anonymous_gid, allowed_clients, manage_groups, smb_encryption, smb_guest, smb_continuously_available, quota_bytes, quota_files, scrub_rate, ...same } = body;
  return {
    ...same,
    ...given({
      readOnly: read_only,
      defaultPermission: default_permission,
      anonymousUid: anonymous_uid,
      anonymousGid: anonymous_gid,
      allowedClients: allowed_clients,
      manageGroups: manage_groups,
      smbEncryption: smb_encryption,
      smbGuest: smb_guest,
      smbContinuouslyAvailable: smb_continuously_available,
      quotaBytes: quota_bytes,
      quotaFiles: quota_files,
      scrubRate: scrub_rate,
    }),
  };
}

function changes({ control, runtime }: Services) {
  const shown = (share: Share): Answer<Shown> => ({ body: shareView(share, runtime, true), version: share.version });
  return {
    create: async ({ body, actor }) => {
      const { name, metadata, blocks, root_mode, adopt, ...fields } = body;
      const share = await control.shares.create(actor, { name, ...fieldsOf(fields), ...given({ metadata, blocks, rootMode: root_mode, adopt }) });
      return { ...shown(share), location: `/api/v1/shares/${encodeURIComponent(share.name.slice(1))}` };
    },
    edit: async ({ params, body, actor, ifVersion }) => shown(await control.shares.edit(actor, shareNameOf(params.share), fieldsOf(body), ifVersion)),
    delete: ({ params, query, actor, ifVersion }) =>
      control.shares.delete(actor, shareNameOf(params.share), { force: query.force ?? false, purge: query.purge ?? false }, ifVersion),
    accept: async ({ params, actor, ifVersion }) => shown(await control.shares.accept(actor, shareNameOf(params.share), ifVersion)),
    enable: async ({ params, actor }) => shown(await control.shares.edit(actor, shareNameOf(params.share), { enabled: true }, null)),
    disable: async ({ params, actor }) => shown(await control.shares.edit(actor, shareNameOf(params.share), { enabled: false }, null)),
  } satisfies Partial<Handlers<typeof shares>>;
}

/** What begins long work. */
function jobStarts({ control, runtime }: Services) {
  const begin = (request: JobRequest, actor: Actor): Answer<ShownJob> => {
    const job = runtime.jobs.start(request, actor.name);
    return { body: jobView(job), location: `/api/v1/jobs/${job.id}` };
  };
  return {
    fsck: ({ params, body, actor }) => begin({ kind: "fsck", share: control.shares.get(shareNameOf(params.share)).name, data: body.data ?? false, repair: body.repair ?? false }, actor),
    migrate: ({ params, body, actor }) => {
      const { name } = control.shares.get(shareNameOf(params.share));
      const { accept_volatile: acceptVolatile = false, ...stores } = body;
      const to = { ...stores, acceptVolatile };
      return begin({ kind: "migrate", share: name, plan: control.shares.movePlan(name, to), commit: () => control.shares.moved(actor, name, to) }, actor);
    },
    scrub: ({ params, body, actor }) => begin({ kind: "scrub", share: control.shares.get(shareNameOf(params.share)).name, bytesPerSecond: body.rate ?? null }, actor),
    gc: ({ params, body, actor }) => begin({ kind: "gc", share: control.shares.get(shareNameOf(params.share)).name, remove: body.delete ?? false }, actor),
  } satisfies Partial<Handlers<typeof shares>>;
}

export function sharesHandlers(services: Services) {
  const { control, runtime } = services;
  return {
    ...changes(services),
    ...jobStarts(services),
    warm: async ({ params }) => ({ body: await runtime.warm(control.shares.get(shareNameOf(params.share)).name) }),
    evict: async ({ params }) => ({ body: { bytes: await runtime.evict(control.shares.get(shareNameOf(params.share)).name) } }),
    list: (call) => {
      const { query } = call;
      const { user } = callerOf(call);
      const visible = (query.deleted === true ? control.shares.deleted() : control.shares.list())
        .filter((share) => query.enabled === undefined || share.enabled === query.enabled)
        .filter((share) => found(query.search, share.name, share.description))
        .filter((share) => maySee(control, share, user));
      return { body: pageOf(visible, query, orders, (share) => shareView(share, runtime, seesAll(user))) };
    },
    show: (call) => {
      const { user } = callerOf(call);
      const share = visibleShare(control, shareNameOf(call.params.share), user);
      return { body: shareView(share, runtime, seesAll(user)), version: share.version };
    },
    status: async (call) => {
      const { user } = callerOf(call);
      const share = visibleShare(control, shareNameOf(call.params.share), user);
      const { state, error } = shareStateOf(share, runtime);
      const running = runtime.share(share.name);
      const usage = await runtime.usage(share.name);
      return {
        body: {
          name: share.name,
          state,
          error: errorFor(error, seesAll(user)),
          mounts: runtime.mounts().filter((mount) => mount.share === share.name).length,
          clients: runtime.clients().filter((client) => client.shares.includes(share.name)).length,
          used_bytes: usage?.bytes ?? null,
          used_files: usage?.files ?? null,
          durability: share.durability,
          volatile: share.volatile,
          dirty_bytes: running?.dirtyBytes ?? 0,
          unstored_bytes: running?.unstoredBytes ?? 0,
          oldest_unstored_ms: running?.oldestUnstoredMs ?? null,
          scrub: running?.scrub === undefined ? null : scrubView(running.scrub),
          store_error: errorFor(running?.storeError ?? null, seesAll(user)),
          store_error_ms: running?.storeErrorMs ?? null,
          history: historyView(running?.history ?? null, seesAll(user)),
          disk_cache: diskCacheView(running?.diskCache ?? null),
        },
      };
    },
    mounts: ({ params, query }) => {
      const share = control.shares.get(shareNameOf(params.share));
      const { client, mounted_at } = mountOrders;
      return { body: pageOf(runtime.mounts().filter((mount) => mount.share === share.name), query, { client, mounted_at }, mountView) };
    },
    mountInfo: (call) => mountInfo(services, call.params.share, callerOf(call).user, call.query.host ?? call.host),
  } satisfies Handlers<typeof shares>;
}

function mountInfo({ control, runtime }: Services, name: string, user: User, asked: string): Answer<Static<typeof MountInfo>> {
  const share = visibleShare(control, shareNameOf(name), user);
  const nfs = runtime.adapter("nfs");
  const smb = runtime.adapter("smb");
  const host = hostForUrl(asked);
  return {
    body: {
      share: share.name,
      nfs: share.protocols.nfs && nfs.running && nfs.port !== null ? nfsLines(host, nfs.port, share.name) : null,
      smb: share.protocols.smb && smb.running && smb.port !== null ? smbLines(host, smb.port, share.name, user.name) : null,
    },
  };
}

/** An IPv6 address needs brackets in front of a path. */
function hostForUrl(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host || "localhost";
}
