#!/usr/bin/env python3
import sys, os, subprocess, time, json, urllib.request, base64, signal, threading
HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))       # this folder: conf/ and bin/
LAB = os.environ.get("LAB_WORK", "/var/tmp/textback-asterisk")            # roots, runs, recordings
sys.path.insert(0, HERE + "/bin"); os.makedirs(LAB + "/run", exist_ok=True); os.makedirs(LAB + "/traces", exist_ok=True)
import sipx
AST = "127.0.40.1:5060"; TRUNK = "127.0.40.2"
PH = {"100": "127.0.40.100", "101": "127.0.40.101", "102": "127.0.40.102"}
ARI = "http://127.0.0.1:8088/ari"; USER, PW = "textback", "textback-secret"

def pidfile(v): return "%s/run/asterisk%s.pid" % (LAB, v)
def start(v):
    stop(v)
    root = "%s/root%s" % (LAB, v)
    etc = root + "/etc/asterisk"
    if not os.path.isdir(root + "/etc/asterisk.dist"):
        os.rename(etc, root + "/etc/asterisk.dist"); os.makedirs(etc)
    for f in os.listdir(os.environ.get("CONF", HERE + "/conf")):
        t = open(os.environ.get("CONF", HERE + "/conf") + "/" + f).read()
        if f.endswith(".in"):
            t = t.replace("@MODDIR@", "/usr/lib/x86_64-linux-gnu/asterisk/modules" if os.path.isdir(root + "/usr/lib/x86_64-linux-gnu/asterisk/modules") else "/usr/lib/asterisk/modules"); f = f[:-3]
        open(etc + "/" + f, "w").write(t)
    for d in ("var/run/asterisk", "run/asterisk", "var/log/asterisk/cdr-csv", "var/spool/asterisk/voicemail", "var/spool/asterisk/tmp"):
        os.makedirs(root + "/" + d, exist_ok=True)
    subprocess.run("rm -rf %s/var/spool/asterisk/voicemail/default; rm -f %s/var/lib/asterisk/astdb.sqlite3" % (root, root), shell=True)
    log = open("%s/run/asterisk%s.out" % (LAB, v), "a")
    p = subprocess.Popen(["chroot", root, "/usr/sbin/asterisk", "-f", "-C", "/etc/asterisk/asterisk.conf"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    open(pidfile(v), "w").write(str(p.pid))
    t = time.time()
    while time.time() - t < 60:
        if p.poll() is not None: raise SystemExit("asterisk ended, see run/asterisk%s.out" % v)
        try:
            ari("GET", "/asterisk/info")
            r = subprocess.run(["chroot", root, "/usr/sbin/asterisk", "-rx", "core waitfullybooted"], capture_output=True, text=True)
            if "fully booted" in r.stdout: return time.time() - t
        except OSError: pass
        time.sleep(0.1)
    raise SystemExit("no ARI in 60 s")
def stop(v, sig=signal.SIGTERM):
    try: pid = int(open(pidfile(v)).read())
    except OSError: return
    try: os.kill(pid, sig)
    except ProcessLookupError: pass
    for _ in range(100):
        try:
            r = os.waitpid(pid, os.WNOHANG)
            if r[0]: break
        except ChildProcessError:
            if not os.path.exists("/proc/%d" % pid): break
        time.sleep(0.1)
    else:
        os.kill(pid, 9)
    os.remove(pidfile(v))
def tone():
    """Fourteen seconds of speech-like noise for a voicemail to record: a 440 Hz tone in u-law."""
    f = LAB + "/tone.ulaw"
    if not os.path.exists(f):
        import math
        def ulaw(x):
            sign, x = (0x80, -x) if x < 0 else (0, x)
            x = min(x, 32635) + 132; e = max(0, x.bit_length() - 8)
            return ~(sign | e << 4 | x >> e + 3 & 0x0f) & 0xff
        open(f, "wb").write(bytes(ulaw(int(12000 * math.sin(i * 440 * 2 * math.pi / 8000))) for i in range(14 * 8000)))
    return f
def cli(v, c): return subprocess.run(["chroot", "%s/root%s" % (LAB, v), "/usr/sbin/asterisk", "-rx", c], capture_output=True, text=True).stdout
def ari(m, path, body=None, user=None):
    r = urllib.request.Request(ARI + path, method=m, data=json.dumps(body).encode() if body is not None else None, headers={"Content-Type": "application/json", "Authorization": "Basic " + base64.b64encode((user or (USER + ":" + PW)).encode()).decode()})
    with urllib.request.urlopen(r, timeout=5) as f:
        t = f.read().decode()
        return json.loads(t) if t else None

class L:
    def __init__(s, v, name, record=True, outdir=None):
        s.v, s.name, s.record = v, name, record
        s.nn = name.split("-")[0]; s.calls = []; s.procs = []; s.placed = []; s.cnt = 0; s.extra = {}; s.desc = ""
        s.work = "%s/run/%s-%s" % (LAB, v, name); os.makedirs(s.work, exist_ok=True)
        s.pbx = "asterisk " + ari("GET", "/asterisk/info")["system"]["version"].split("+")[0].split("~")[0]
        s.out = outdir or os.environ.get("OUTDIR") or "%s/traces/%s" % (LAB, s.pbx.replace(" ", "-")); os.makedirs(s.out, exist_ok=True)
        s.rec = None; s.cdrpos = s._cdrsize()
        if record:
            s.rec = subprocess.Popen([sys.executable, HERE + "/bin/rec.py", "ws://127.0.0.1:8088/ari/events?app=textback&subscribeAll=true&api_key=%s:%s" % (USER, PW), "%s/%s.jsonl" % (s.out, name), s.work + "/rec.json"])
            for _ in range(50):
                time.sleep(0.05)
                if os.path.exists(s.work + "/rec.json") and "connected" in open(s.work + "/rec.json").read(): break
            time.sleep(0.2)
    def _cdr(s): return "%s/root%s/var/log/asterisk/cdr-csv/Master.csv" % (LAB, s.v)
    def _cdrsize(s):
        try: return os.path.getsize(s._cdr())
        except OSError: return 0
    def num(s, k=1):
        """The k-th caller of this scenario: +1555123 NN A K, A for the letter behind the number (37b: 2)."""
        n = "".join(c for c in s.nn if c.isdigit()); a = (ord(s.nn[-1]) - 96) if s.nn[-1].isalpha() else 0
        return "+1555123%02d%d%d" % (int(n), a, k)
    def sipp(s, xml, ip, port=None, m=1, to=AST, extra=()):
        s.cnt += 1
        f = "%s/%02d.xml" % (s.work, s.cnt); open(f, "w").write(xml)
        mp = 40000 + s.cnt * 20
        cmd = ["sipp", to, "-sf", f, "-i", ip, "-mi", ip, "-mp", str(mp), "-m", str(m), "-nostdin", "-trace_err", "-error_file", f + ".err", "-trace_msg", "-message_file", f + ".msg", "-timeout", "170", "-nd", "-max_retrans", "5"] + (["-p", str(port)] if port else ["-p", str(5100 + s.cnt)]) + list(extra)
        p = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=open(f + ".out", "w"), stderr=subprocess.STDOUT, env=dict(os.environ, TERM="dumb", COLUMNS="80", LINES="40"), cwd=s.work)
        p.f = f; p.ended = None; s.procs.append(p)
        def watch():
            p.wait(); p.ended = time.time()
        threading.Thread(target=watch, daemon=True).start()
        return p
    def phone(s, n, **kw):
        p = s.sipp(sipx.uas(**kw), PH[n], 5060, m=1000); time.sleep(0.15); return p
    def cell(s, **kw):
        p = s.sipp(sipx.uas(**kw), TRUNK, 5060, m=1000); time.sleep(0.15); return p
    def raw(s, xml, ip, port, m=1000):
        p = s.sipp(xml, ip, port, m=m); time.sleep(0.15); return p
    def end(s, p):
        if p.poll() is None: p.send_signal(signal.SIGKILL); p.wait()
    def call(s, did, caller, ip=TRUNK, **kw):
        p = s.sipp(sipx.uac(did, caller, host=ip, **kw), ip)
        s.placed.append((caller, did, p)); return p
    def wait(s, *ps, t=120):
        for p in ps:
            try: rc = p.wait(t)
            except subprocess.TimeoutExpired: rc = "timeout"; s.end(p)
            if rc != 0:
                e = open(p.f + ".err").read()[-600:] if os.path.exists(p.f + ".err") else ""
                s.extra.setdefault("sipp_errors", []).append({"scenario_file": os.path.basename(p.f), "rc": rc, "err": e})
                print("   ! sipp rc", rc, p.f, e.replace("\n", " | ")[:400])
    def truth(s, caller, line, outcome, missed, text_back, ring=None, name=None, notes="", **kw):
        d = {"caller": caller, "caller_name": name or "", "line": line, "outcome": outcome, "missed": missed, "text_back_expected": text_back, "ring_seconds": ring, "notes": notes}
        d.update(kw); s.calls.append(d)
    def finish(s):
        t = time.time()
        while time.time() - t < 15:
            try:
                if not [c for c in ari("GET", "/channels") if not c["name"].startswith("Message/")]: break
            except OSError: break
            time.sleep(0.2)
        time.sleep(1.2)
        for p in s.procs: s.end(p)
        if s.rec:
            s.rec.terminate(); s.rec.wait()
            meta = json.load(open(s.work + "/rec.json"))
            cdr = ""
            try:
                f = open(s._cdr(), errors="replace"); f.seek(min(s.cdrpos, s._cdrsize())); cdr = f.read()
            except OSError: pass
            evs = []
            for l in open("%s/%s.jsonl" % (s.out, s.name)):
                evs.append(json.loads(l))
            des = [{"t_ms": e["t_ms"], "channel": e["event"]["channel"]["name"], "state": e["event"]["channel"]["state"], "cause": e["event"].get("cause"), "cause_txt": e["event"].get("cause_txt")} for e in evs if e["event"]["type"] == "ChannelDestroyed"]
            dial = [{"t_ms": e["t_ms"], "peer": e["event"]["peer"]["name"], "dialstatus": e["event"]["dialstatus"]} for e in evs if e["event"]["type"] == "Dial" and e["event"]["dialstatus"] not in ("", "RINGING", "PROGRESS")]
            d = {"scenario": s.name, "description": s.desc, "pbx": s.pbx, "calls": s.calls, "recorder": meta, "events": len(evs), "destroyed": des, "dial_results": dial, "cdr_csv": [x for x in cdr.splitlines() if x]}
            d.update(s.extra)
            json.dump(d, open("%s/%s.json" % (s.out, s.name), "w"), indent=1)
            print("%s: %d events; destroyed: %s; dial: %s" % (s.name, len(evs), ["%s/%s" % (x["channel"].rsplit("-", 1)[0], x["cause"]) for x in des], ["%s=%s" % (x["peer"].rsplit("-", 1)[0], x["dialstatus"]) for x in dial]), flush=True)

if __name__ == "__main__":
    import scenarios
    a = sys.argv[1:]
    if a[0] == "start": print("ready in %.1f s, pid %s" % (start(a[1]), open(pidfile(a[1])).read()))
    elif a[0] == "stop": stop(a[1])
    elif a[0] == "kill": stop(a[1], signal.SIGKILL)
    elif a[0] == "cli": print(cli(a[1], " ".join(a[2:])))
    elif a[0] == "list":
        for n, f in scenarios.ALL.items(): print("%-34s %s" % (n, (f.__doc__ or "").strip()))
    elif a[0] in ("record", "live"):
        names = list(scenarios.ALL) if a[2:] == ["all"] else [n for n in scenarios.ALL for w in a[2:] if n == w or n.split("-")[0] == w]
        for n in names:
            if os.environ.get("SKIP_DONE") and not os.environ.get("OUTDIR") and any(os.path.exists("%s/traces/%s/%s.json" % (LAB, d, n)) for d in os.listdir(LAB + "/traces") if d.startswith("asterisk-" + a[1])): continue
            l = L(a[1], n, record=a[0] == "record")
            l.desc = (scenarios.ALL[n].__doc__ or "").strip()
            try: scenarios.ALL[n](l)
            except Exception as e:
                import traceback; traceback.print_exc(); l.extra["error"] = repr(e)
            l.finish()
            if a[0] == "live":
                # When each caller's side was over, by our clock: what the ten seconds to the text count from.
                left = list(l.placed)
                for c in l.calls:
                    for x in left:
                        if x[0] == c["caller"] and x[1] == c["line"]:
                            c["ended"] = x[2].ended; left.remove(x); break
                print(json.dumps({"scenario": n, "calls": l.calls, "sipp_errors": l.extra.get("sipp_errors", [])}), flush=True)
