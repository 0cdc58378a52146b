/** A seat of the manifest: a CASPaxos acceptor that forgets nothing. */
import type { Manifest } from "@sixfold/model";
import type { Ballot, StorageMessage } from "@sixfold/wire";
import { isHigher } from "../manifest-register.ts";

export class FakeSeat {
  promised: Ballot | undefined;
  accepted: { readonly ballot: Ballot; readonly value: Manifest } | undefined;

  /** Undefined if the message is not for a seat. */
  answer(m: StorageMessage): StorageMessage | undefined {
    const { request } = m as { readonly request: number };
    if (m.type === "manifestPrepare") {
      const granted = this.promised === undefined || isHigher(m.ballot, this.promised);
      if (granted) this.promised = m.ballot;
      return { type: "manifestPromise", request, granted, promised: this.promised!, accepted: this.accepted };
    }
    if (m.type === "manifestAccept") {
      const granted = this.promised === undefined || !isHigher(this.promised, m.ballot);
      if (granted) {
        this.promised = m.ballot;
        this.accepted = { ballot: m.ballot, value: m.value };
      }
      return { type: "manifestAccepted", request, granted, promised: this.promised! };
    }
    if (m.type === "manifestPeek")
      return { type: "manifestPeeked", request, promised: this.promised, value: this.accepted?.value };
    return undefined;
  }
}
