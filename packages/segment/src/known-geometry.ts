/**
 * The sizes of pages and PGs, as far as this server knows them.
 *
 * They stand in the manifest and never change. A server whose own seat missed the first manifest takes slices
 * before it knows them; it reads, merges and scrubs nothing until enough peers' seats name the same.
 */
import { pageId, pagesPerPg, type Geometry, type NodeName, type PageId, type PgId } from "@sixfold/model";
import type { ManifestPeeked } from "@sixfold/wire";
import type { Seat } from "./seat.ts";

/** A majority of the seats, as for the manifest itself. */
const WITNESSES = 4;

export class KnownGeometry {
  known: Geometry | undefined;
  private readonly told = new Map<NodeName, string>();

  constructor(known: Geometry | undefined) {
    this.known = known;
  }

  learn(seat: Seat): void {
    const geometry = seat.accepted?.value.geometry;
    if (geometry !== undefined) this.known = geometry;
  }

  hear(peer: NodeName, m: ManifestPeeked): void {
    if (this.known !== undefined || m.value === undefined) return;
    const told = JSON.stringify(m.value.geometry);
    this.told.set(peer, told);
    if ([...this.told.values()].filter((g) => g === told).length >= WITNESSES) this.known = m.value.geometry;
  }

  /** Zeros while unknown. */
  bounds(): { readonly pageBytes: number; readonly pagesPerPg: number } {
    return this.known === undefined
      ? { pageBytes: 0, pagesPerPg: 0 }
      : { pageBytes: this.known.pageBytes, pagesPerPg: pagesPerPg(this.known) };
  }

  firstPage(pg: PgId): PageId {
    return pageId(pg * this.bounds().pagesPerPg);
  }

  isPg(pg: PgId): boolean {
    return this.known === undefined ? pg < 2 ** 20 : pg * this.bounds().pagesPerPg < 2 ** 32;
  }
}
