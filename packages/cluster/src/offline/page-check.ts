/**
 * The pages of a PG at the newest read point, as each of its segments would serve them, held against each other.
 *
 * Reading a page looks at its stored copy's checksum and puts the deltas of the log on it, so this also is the check of every stored
 * page. A copy that fails is damage without loss as long as another one is whole: segments copy it from each other. Whole copies that
 * are not alike are worse, since each segment would serve its own.
 */
import { isNone, pageId, pagesPerPg, type NodeName, type PageId, type PgId } from "@sixfold/model";
import { crc32 } from "@sixfold/wire";
import { firstPages, pagesInWords, type Findings } from "./data-report.ts";
import type { StoredCluster } from "./stored-cluster.ts";
import type { StoredServer } from "./stored-server.ts";

/** Page ids asked of a page store at once. */
const STRIDE = 10_000;

export interface PageCheckOptions {
  readonly cluster: StoredCluster;
  readonly pg: PgId;
  /** Its segments that are there. */
  readonly members: readonly StoredServer[];
  /** Pages that slices in their logs change: they need not be in any page store yet. */
  readonly touched: ReadonlySet<PageId>;
  readonly findings: Findings;
  /** Called for each page; resolves at once, or lets others have their turn. */
  readonly step: (page: PageId) => Promise<void> | undefined;
}

export interface PageCheckResult {
  readonly compared: number;
  /** Pages that failed their checksum, per server. */
  readonly damaged: ReadonlyMap<NodeName, readonly PageId[]>;
}

/** O(pages * segments). */
export async function checkPages(options: PageCheckOptions): Promise<PageCheckResult> {
  const { cluster, pg, members, findings, step } = options;
  const whole = members.filter((server) => cluster.lacks(server, pg).length === 0);
  const damaged = new Map<NodeName, PageId[]>();
  const lost: PageId[] = [];
  const pages = pagesOf(options);
  for (const page of pages) {
    await step(page);
    const copies = new Map<string, NodeName[]>();
    for (const server of members) {
      const copy = copyOf(cluster, server, page, !whole.includes(server));
      if (copy === "damaged") put(damaged, server.name, page);
      else if (whole.includes(server)) put(copies, copy, server.name);
    }
    if (copies.size === 0) lost.push(page);
    else if (copies.size > 1) sayDifferent(options, page, copies);
  }
  for (const [server, bad] of damaged) {
    const text = `${server}: the stored copies of ${pagesInWords(bad)} of PG ${pg} fail their checksum`;
    findings.add({ severity: "warning", kind: "page-damaged", server, pg, pages: firstPages(bad), text });
  }
  if (lost.length > 0) {
    const text = `PG ${pg}: no whole copy of ${pagesInWords(lost)} is left`;
    findings.add({ severity: "error", kind: "page-lost", pg, pages: firstPages(lost), text });
  }
  return { compared: pages.length, damaged };
}

/** Every page that a store or a log of the PG knows, ascending. */
function pagesOf({ cluster, pg, members, touched }: PageCheckOptions): PageId[] {
  const perPg = pagesPerPg(cluster.manifest!.geometry);
  const pages = new Set(touched);
  for (const { pages: store } of members)
    for (let from = pg * perPg; from < (pg + 1) * perPg;) {
      const ids = store.pages(from, STRIDE);
      for (const id of ids) if (id < (pg + 1) * perPg) pages.add(pageId(id));
      if (ids.length < STRIDE) break;
      from = ids[ids.length - 1]! + 1;
    }
  return [...pages].sort((a, b) => a - b);
}

/** What tells one copy from another, in words. */
function copyOf(cluster: StoredCluster, server: StoredServer, page: PageId, isBehind: boolean): string {
  const answer = cluster.read(server, page, isBehind);
  switch (answer.kind) {
    case "page": {
      const { version, image } = answer;
      return `${isNone(version) ? "nothing" : `${version.stream}:${version.lsn}`}, checksum ${crc32(image).toString(16).padStart(8, "0")}`;
    }
    case "empty":
      return "nothing";
    case "corrupt":
      return "damaged";
    case "behind":
      return "a chain with a gap";
    case "too-old":
      return "a version that was never committed";
  }
}

function sayDifferent(
  { pg, findings }: PageCheckOptions,
  page: PageId,
  copies: ReadonlyMap<string, readonly NodeName[]>,
): void {
  const most = [...copies].sort(([, a], [, b]) => b.length - a.length);
  const said = most.map(([copy, servers]) => `${servers.join(", ")}: ${copy}`).join("; ");
  const text = `page ${page} of PG ${pg} is not the same everywhere: ${said}`;
  findings.add({ severity: "error", kind: "pages-differ", pg, pages: [page], text });
}

function put<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
