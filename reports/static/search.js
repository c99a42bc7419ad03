// Search over all texts, by workers: they unpack while the reader looks at the page, and answer with what they have so far.

const MOST_WORKERS = 4;

class TextSearch {
  // `told(share)` hears how much is unpacked; `failed(words)` why there is no search.
  constructor(holders, firsts, told, failed) {
    this.holders = holders;
    this.firsts = firsts;
    this.told = told;
    this.failed = failed;
    this.workers = null;
    this.number = 0;
    this.heard = () => {};
  }

  start() {
    if (this.workers) return;
    const code = new Blob([document.getElementById("search-worker").textContent], { type: "text/javascript" });
    const address = URL.createObjectURL(code);
    const count = Math.max(1, Math.min(MOST_WORKERS, navigator.hardwareConcurrency ?? 2, this.holders.length));
    this.unpacked = new Array(count).fill(0);
    this.searched = new Array(count).fill(0);
    try {
      this.workers = Array.from({ length: count }, (_, place) => this.worker(address, place));
    } catch (error) {
      this.workers = [];
      this.failed(error.message);
      return;
    }
    this.holders.forEach((holder, chunk) => this.workers[chunk % count].postMessage({ first: this.firsts[chunk], content: partsOf(holder)[0] }));
  }

  worker(address, place) {
    const worker = new Worker(address);
    worker.addEventListener("message", ({ data }) => this.listen(place, data));
    worker.addEventListener("error", (event) => { event.preventDefault(); this.failed(event.message || "the browser allows no worker"); });
    return worker;
  }

  share(counts) { return counts.reduce((sum, count) => sum + count, 0) / this.holders.length; }

  listen(place, data) {
    if (data.problem) this.failed(data.problem);
    else if (data.unpacked) {
      this.unpacked[place] = data.unpacked;
      this.told(this.share(this.unpacked));
    } else if (data.number === this.number) {
      this.searched[place] = data.searched;
      this.heard(data.rows, this.share(this.searched));
    }
  }

  // `heard(rows, share)` hears rows with all the terms as they are found, and how much was looked through; at 1 that is all.
  find(terms, heard) {
    this.start();
    this.number += 1;
    this.heard = heard;
    this.searched.fill(0);
    for (const worker of this.workers) worker.postMessage({ number: this.number, terms });
  }

  forget() {
    this.number += 1;
  }
}
