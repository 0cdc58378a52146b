/** A planned failover as its asker sees it: begun at the writer, done when another stream is open. */
import { openStreams, type Manifest, type NodeName, type StreamId } from "@sixfold/model";

export type HandoverAnswer =
  | {
      readonly from: NodeName;
      readonly to: NodeName;
      /** Between the moment from which the old writer took nothing more and the one at which it knew of the new stream. */
      readonly withoutWriterMs: number;
    }
  | { readonly refused: string; readonly writer?: NodeName | undefined };

const PATIENCE_MS = 15_000;

interface UnderWay {
  readonly from: NodeName;
  readonly to: NodeName;
  readonly stream: StreamId;
  readonly since: number;
  readonly done: (answer: HandoverAnswer) => void;
}

export class Handover {
  private underWay: UnderWay | undefined;

  begin(
    from: NodeName,
    to: NodeName,
    stream: StreamId,
    done: (answer: HandoverAnswer) => void,
    since: number,
  ): void {
    this.underWay = { from, to, stream, since, done };
  }

  learnManifest(manifest: Manifest, now: number): void {
    const { underWay } = this;
    const next = openStreams(manifest).find((s) => underWay !== undefined && s.id > underWay.stream);
    if (underWay === undefined || next === undefined) return;
    this.underWay = undefined;
    underWay.done({ from: underWay.from, to: next.node, withoutWriterMs: now - underWay.since });
  }

  tick(now: number): void {
    const { underWay } = this;
    if (underWay === undefined || now - underWay.since < PATIENCE_MS) return;
    this.underWay = undefined;
    underWay.done({ refused: `nobody has taken over from ${underWay.from} yet; see sixfold status` });
  }
}
