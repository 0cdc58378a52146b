/**
 * Page reads: the messages behind every cache miss.
 *
 *     readPage   request | pg | page | read point | count | (stream, lsn)
 *     pageRead   request | pg | page | u8 kind | for a page: version | blob of the image
 *
 *     kind       0 page, 1 empty, 2 behind, 3 too-old, 4 corrupt
 *
 * Numbers are varints. The image is a view on the frame: whoever keeps it keeps the frame, which is hardly longer.
 */
import { MAX_PAGE_BYTES } from "@sixfold/model";
import type { ByteReader } from "./byte-reader.ts";
import { blob, list, pair, type Codec } from "./codec.ts";
import { entryLsn, page, pg, readReadPoint, request, stream, writeReadPoint } from "./noun-codecs.ts";
import { readVersion, writeVersion } from "./slice-codec.ts";
import type { PageAnswer, PageRead, ReadPage } from "./storage-messages.ts";
import { badFrame } from "./wire-error.ts";

const need = list(pair(stream, entryLsn), 2);
const streams = list(stream, 1);
const image = blob("a page image", MAX_PAGE_BYTES);
const KINDS = ["page", "empty", "behind", "too-old", "corrupt"] as const;

export const readPage: Codec<ReadPage> = {
  write(w, m) {
    w.varint(m.request);
    w.varint(m.pg);
    w.varint(m.page);
    writeReadPoint(w, m.readPoint);
    need.write(w, m.need);
    streams.write(w, m.closed);
  },
  read: (r) => ({
    type: "readPage",
    request: request.read(r),
    pg: pg.read(r),
    page: page.read(r),
    readPoint: readReadPoint(r),
    need: need.read(r),
    closed: streams.read(r),
  }),
};

export const pageRead: Codec<PageRead> = {
  write(w, m) {
    w.varint(m.request);
    w.varint(m.pg);
    w.varint(m.page);
    w.u8(KINDS.indexOf(m.answer.kind));
    if (m.answer.kind !== "page") return;
    writeVersion(w, m.answer.version);
    image.write(w, m.answer.image);
  },
  read: (r) => ({
    type: "pageRead",
    request: request.read(r),
    pg: pg.read(r),
    page: page.read(r),
    answer: readAnswer(r),
  }),
};

function readAnswer(r: ByteReader): PageAnswer {
  const kind = KINDS[r.u8()] ?? badFrame("unknown answer to a page read");
  return kind === "page" ? { kind, version: readVersion(r), image: image.read(r) } : { kind };
}
