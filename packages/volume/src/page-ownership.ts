/**
 * Which pages the own stream owns, and how a page changes hands without a fifth vote (DESIGN section 6; docs/notes/page-gifts.md).
 *
 * Of all streams at most one owns a page version: the one that wrote it, until it gives it away. The owner's entry on it needs four of six,
 * a rival's five; with two segments of a protection group out of reach five cannot be had, and a page that passes between masters
 * would take a round of the manifest. So the one that wants it asks its owner first:
 *
 *     writer 1   v1 on page 7                  gives: from now on it counts itself as no owner of v1
 *                    ▲ may I have 7 at v1? │
 *     writer 2   ────┘                     └─> owns v1: its entry on it needs four
 *
 * An owner gives a version only if no entry of its own can be, or come to be, a rival on it that was cut as its owner's: its newest change of the
 * page is that version, and nothing in flight uses it. What it builds on it later is cut as anybody else's. It gives each version to
 * one stream. A gift that is lost on its way leaves the version without an owner, which is slow and safe.
 */
import {
  openStreams,
  RESERVED_PAGES,
  sameVersion,
  type Entry,
  type Lsn,
  type Manifest,
  type PageId,
  type PageVersion,
  type PlantedBugs,
  type ReadCheck,
  type StreamId,
} from "@sixfold/model";
import type { AskPages, PagesGiven } from "@sixfold/wire";
import type { InFlight } from "./in-flight.ts";
import type { Outbox } from "./outbox.ts";

/** Own changes that are remembered, so that a version can be told to be the newest own one: twice as many pages at most. */
const RECENT_PAGES = 32_768;
/** Versions given away and not known to be overtaken; beyond it nothing is given (I10). */
const GIFTS_MAX = 131_072;
/** Versions asked for; beyond it the oldest answers are forgotten, and asked for again. */
const WANTED_MAX = 65_536;
/** Questions that were never answered. */
const REQUESTS_MAX = 1024;
/** No answer by then, and the entry goes as it is: longer than rounds of the manifest take, as nobody waits so long without need. */
const ANSWER_MS = 50;
/** A node that did not answer is left alone for so long. */
const DEAF_MS = 1000;

interface Wanted {
  readonly page: PageId;
  readonly base: PageVersion;
  readonly askedAt: number;
  state: "asked" | "refused" | "given";
}

export class PageOwnership {
  private readonly out: Outbox;
  private readonly stream: StreamId;
  /** An exclusive stream owns everything; so does one in which the mistake is planted. */
  private readonly ownsAll: boolean;
  private readonly inFlight: InFlight;
  private readonly planted: PlantedBugs;
  /** Newest own change of a page, cut already. Two generations: the older one goes when the younger is full. */
  private recent = new Map<PageId, Lsn>();
  private older = new Map<PageId, Lsn>();
  private readonly gifts = new Map<PageId, { readonly at: Lsn; readonly to: StreamId }>();
  private readonly wanted = new Map<PageId, Wanted>();
  /** What was asked, by the question's number. */
  private readonly requests = new Map<number, readonly Wanted[]>();
  private readonly deafUntil = new Map<StreamId, number>();
  private given = 0;
  private received = 0;

  constructor(o: {
    readonly out: Outbox;
    readonly stream: StreamId;
    readonly exclusive: boolean;
    readonly inFlight: InFlight;
    readonly planted: PlantedBugs;
  }) {
    this.out = o.out;
    this.stream = o.stream;
    this.ownsAll = o.exclusive || o.planted.has("transferred-on-four");
    this.inFlight = o.inFlight;
    this.planted = o.planted;
  }

  /** Whoever wrote the version, or made the page, or was given it; reserved pages that were never written are nobody's. */
  owns(page: PageId, base: PageVersion): boolean {
    if (this.ownsAll) return true;
    if (base.stream === this.stream) {
      const gift = this.gifts.get(page);
      return gift?.at !== base.lsn || this.planted.has("gift-kept");
    }
    if (base.stream === 0) return page >= RESERVED_PAGES;
    return this.isGiven(page, base);
  }

  private isGiven(page: PageId, base: PageVersion): boolean {
    const wanted = this.wanted.get(page);
    return wanted?.state === "given" && sameVersion(wanted.base, base);
  }

  /** The entry's slices have been cut. */
  sent(entry: Entry): void {
    if (this.ownsAll) return;
    for (const { page, base } of entry.deltas) {
      this.recent.set(page, entry.lsn);
      // Another's version has followed, so what was given away is never built on again. (An own one may be aborted yet.)
      if (base.stream !== this.stream && base.stream !== 0) this.gifts.delete(page);
      const wanted = this.wanted.get(page);
      if (wanted !== undefined && !sameVersion(wanted.base, base)) this.wanted.delete(page);
    }
    if (this.recent.size <= RECENT_PAGES) return;
    this.older = this.recent;
    this.recent = new Map();
  }

  // Asking

  /** An entry was submitted. `isShort`: five segments of the page's group cannot be had. */
  want(entry: Entry, isShort: (page: PageId) => boolean, manifest: Manifest, now: number): void {
    if (this.ownsAll) return;
    let pages: Map<StreamId, { readonly page: PageId; readonly at: Lsn }[]> | undefined;
    const want = ({ page, base }: ReadCheck): void => {
      if (base.stream === 0 || base.stream === this.stream || !this.mayAsk(page, base, now)) return;
      if (!isShort(page)) return;
      pages ??= new Map();
      const list = pages.get(base.stream);
      if (list === undefined) pages.set(base.stream, [{ page, at: base.lsn }]);
      else list.push({ page, at: base.lsn });
    };
    for (const delta of entry.deltas) want(delta);
    for (const check of entry.checks) want(check);
    if (pages !== undefined) this.ask(pages, manifest, now);
  }

  private mayAsk(page: PageId, base: PageVersion, now: number): boolean {
    if ((this.deafUntil.get(base.stream) ?? 0) > now) return false;
    const wanted = this.wanted.get(page);
    if (wanted === undefined || !sameVersion(wanted.base, base)) return true;
    return wanted.state === "refused" && now > wanted.askedAt;
  }

  private ask(
    pages: ReadonlyMap<StreamId, readonly { readonly page: PageId; readonly at: Lsn }[]>,
    manifest: Manifest,
    now: number,
  ): void {
    for (const { id, node } of openStreams(manifest)) {
      const asked = pages.get(id);
      if (asked === undefined) continue;
      if (this.wanted.size > WANTED_MAX) this.wanted.clear();
      const wanted = asked.map(({ page, at }): Wanted => ({
        page,
        base: { stream: id, lsn: at },
        askedAt: now,
        state: "asked",
      }));
      for (const one of wanted) this.wanted.set(one.page, one);
      // Those of before were asked of nodes that are gone.
      if (this.requests.size > REQUESTS_MAX) this.requests.clear();
      const request = this.out.nextRequest();
      this.requests.set(request, wanted);
      const message: AskPages = { type: "askPages", request, owner: id, stream: this.stream, pages: asked };
      this.out.effects.push({ kind: "ask", to: node, message });
    }
  }

  /** The entry's slices must not be cut yet: an answer about one of its pages is on its way. */
  isWaiting(entry: Entry, now: number): boolean {
    if (this.requests.size === 0) return false;
    return entry.deltas.some((u) => this.isAsked(u, now)) || entry.checks.some((u) => this.isAsked(u, now));
  }

  private isAsked({ page, base }: ReadCheck, now: number): boolean {
    const wanted = this.wanted.get(page);
    if (wanted?.state !== "asked" || !sameVersion(wanted.base, base)) return false;
    if (now - wanted.askedAt < ANSWER_MS) return true;
    wanted.state = "refused";
    this.deafUntil.set(base.stream, now + DEAF_MS);
    return false;
  }

  /** An answer; none of the pages if there was nobody to ask. */
  answered({ request, pages }: Pick<PagesGiven, "request" | "pages">): void {
    const asked = this.requests.get(request);
    if (asked === undefined) return;
    this.requests.delete(request);
    // Of a page that was asked for anew meanwhile, at another version, it says nothing: that is another `Wanted`.
    for (const wanted of asked) {
      const isGiven = pages.includes(wanted.page);
      wanted.state = isGiven ? "given" : "refused";
      if (isGiven) this.received++;
    }
  }

  /** For people. */
  status(): { readonly pagesGiven: number; readonly pagesReceived: number } {
    return { pagesGiven: this.given, pagesReceived: this.received };
  }

  // Giving

  /** The pages of these that the asking stream owns from now on. */
  give({ owner, stream, pages }: AskPages): PageId[] {
    if (this.ownsAll || owner !== this.stream || stream === this.stream) return [];
    const used = this.usedPages();
    const given: PageId[] = [];
    for (const { page, at } of pages) {
      if (!this.mayGive(page, at, stream, used)) continue;
      given.push(page);
      if (this.gifts.get(page)?.at === at) continue;
      this.gifts.set(page, { at, to: stream });
      this.given++;
      this.out.trace?.({ kind: "gave", stream: this.stream, page, lsn: at, to: stream });
    }
    return given;
  }

  private mayGive(page: PageId, at: Lsn, to: StreamId, used: ReadonlySet<PageId>): boolean {
    const gift = this.gifts.get(page);
    if (gift !== undefined && gift.at >= at) return gift.at === at && gift.to === to;
    if (this.gifts.size >= GIFTS_MAX) return false;
    if (this.planted.has("gift-of-claimed-page")) return true;
    const newest = this.recent.get(page) ?? this.older.get(page);
    return newest === at && at < this.inFlight.first && !used.has(page);
  }

  /**
   * Pages that entries in flight change or check, whatever their state: one that was aborted may still be committed by a recovery until
   * its abort is told, and only then it leaves. O(entries in flight).
   */
  private usedPages(): Set<PageId> {
    const used = new Set<PageId>();
    const { inFlight } = this;
    for (let at = inFlight.first; at < inFlight.next; at = (at + 1) as Lsn) {
      const { deltas, checks } = inFlight.get(at)!.entry;
      for (const { page } of deltas) used.add(page);
      for (const { page } of checks) used.add(page);
    }
    return used;
  }
}
