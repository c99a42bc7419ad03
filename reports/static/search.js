// Search over all texts, by workers: they unpack while the page draws its first view, and answer with what they have so far.

const MOST_WORKERS = 4;

const chunkHolders = () => document.querySelectorAll("script[data-chunk]");
const partsOf = (holder) => holder.textContent.trim().split(" ");

// The script stands before the chunks: they are the greater part of the file and take a while to read.
const pageRead = new Promise((resolve) => { document.addEventListener("DOMContentLoaded", resolve); });

class TextSearch {
  // `told` shows how much is unpacked, or why there is no search.
  constructor(told) {
    this.told = told;
    this.broken = false;
    const code = document.getElementById("search-worker");
    this.chunks = Number(code.dataset.chunks);
    this.sent = 0;
    this.number = 0;
    this.heard = () => {};
    const count = Math.max(1, Math.min(MOST_WORKERS, navigator.hardwareConcurrency ?? 2, this.chunks));
    this.unpacked = new Array(count).fill(0);
    this.searched = new Array(count).fill(0);
    this.workers = [];
    const address = URL.createObjectURL(new Blob([code.textContent], { type: "text/javascript" }));
    try {
      for (let place = 0; place < count; place += 1) this.workers.push(this.worker(address, place));
    } catch (error) {
      this.failed(error.message);
      return;
    }
    const reading = new MutationObserver(() => this.send(1));
    reading.observe(document.body, { childList: true });
    pageRead.then(() => { reading.disconnect(); this.send(0); });
  }

  // Hands chunks on to the workers; the last one may not be whole while the page is being read.
  send(kept) {
    const holders = chunkHolders();
    for (; this.sent < holders.length - kept; this.sent += 1) {
      this.workers[this.sent % this.workers.length].postMessage({ chunk: this.sent, content: partsOf(holders[this.sent])[0] });
    }
  }

  worker(address, place) {
    const worker = new Worker(address);
    worker.addEventListener("message", ({ data }) => this.listen(place, data));
    worker.addEventListener("error", (event) => { event.preventDefault(); this.failed(event.message || "the browser allows no worker"); });
    return worker;
  }

  failed(words) { this.broken = true; this.told.textContent = `Search does not work here: ${words}.`; }

  share(counts) { return counts.reduce((sum, count) => sum + count, 0) / this.chunks; }

  listen(place, data) {
    if (data.problem) this.failed(data.problem);
    else if (data.unpacked) {
      this.unpacked[place] = data.unpacked;
      this.prepared(this.share(this.unpacked));
    } else if (data.number === this.number) {
      this.searched[place] = data.searched;
      this.heard(data.found, this.share(this.searched));
    }
  }

  prepared(share) {
    if (this.broken) return;
    this.told.textContent = share < 1 ? `Preparing search: ${Math.floor(100 * share)} %` : "";
    if (share === 1) document.documentElement.dataset.searchable = "yes";
  }

  // `heard(found, share)` hears chunks and which of their rows have all the terms as they are found, and how much was looked
  // through; at 1 that is all.
  find(terms, heard) {
    this.number += 1;
    this.heard = heard;
    this.searched.fill(0);
    // A long term is in few chunks, and where one is not, the others need no look.
    const longestFirst = [...terms].sort((a, b) => b.length - a.length);
    for (const worker of this.workers) worker.postMessage({ number: this.number, terms: longestFirst });
  }

  forget() {
    this.number += 1;
  }
}
