import time, json, os, signal, subprocess, sys
import lab as _l
ALL = {}
def sc(name):
    def d(f): ALL[name] = f; return f
    return d

@sc("01-direct-answered-caller-hangs-up")
def _(l):
    """Dial(PJSIP/100): phone rings 3 s, answers; caller hangs up after 4 s."""
    l.phone("100", ring_ms=3000); l.wait(l.call("+15550100", l.num(), name="ACME PLUMBING", bye_ms=4000))
    l.truth(l.num(), "+15550100", "answered", False, False, 3, "ACME PLUMBING")
@sc("02-direct-answered-callee-hangs-up")
def _(l):
    """phone answers after 3 s and hangs up 4 s later."""
    l.phone("100", ring_ms=3000, talk_ms=4000); l.wait(l.call("+15550100", l.num(), name="JANE DOE"))
    l.truth(l.num(), "+15550100", "answered", False, False, 3, "JANE DOE")
@sc("03-direct-no-answer-dial-timeout")
def _(l):
    """phone rings for the whole Dial timeout (20 s); the PBX hangs up."""
    l.phone("100", mode="ring"); l.wait(l.call("+15550100", l.num(), name="SMITH JOHN"))
    l.truth(l.num(), "+15550100", "no-answer", True, True, 20, "SMITH JOHN")
@sc("04-direct-caller-abandons-ringing")
def _(l):
    """phone rings; the caller cancels after 6 s."""
    l.phone("100", mode="ring"); l.wait(l.call("+15550100", l.num(), cancel_ms=6000))
    l.truth(l.num(), "+15550100", "abandoned", True, True, 6)
@sc("05-direct-busy-486")
def _(l):
    """phone answers 486 Busy Here at once."""
    l.phone("100", mode="reject", code=486, ring_ms=100, progress=False); l.wait(l.call("+15550100", l.num()))
    l.truth(l.num(), "+15550100", "busy", True, True, 0)
@sc("06-direct-declined-603")
def _(l):
    """phone rings 2 s, user presses decline: 603."""
    l.phone("100", mode="reject", code=603, reason="Decline", ring_ms=2000); l.wait(l.call("+15550100", l.num()))
    l.truth(l.num(), "+15550100", "rejected", True, True, 2)
@sc("06c-decline-with-486-after-ringing")
def _(l):
    """many phones send 486 (not 603) when the user presses reject after ringing 2 s."""
    l.phone("100", mode="reject", code=486, ring_ms=2000); l.wait(l.call("+15550100", l.num()))
    l.truth(l.num(), "+15550100", "rejected", True, True, 2)
@sc("07-phone-not-registered")
def _(l):
    """Dial of an AOR with no contact: CHANUNAVAIL, no outgoing channel rings."""
    l.wait(l.call("+15550108", l.num()))
    l.truth(l.num(), "+15550108", "unreachable", True, True, 0)
@sc("08-ringgroup-one-answers")
def _(l):
    """Dial(100&101): 101 answers after 3 s, 100 is cancelled; caller hangs up."""
    l.phone("100", mode="ring"); l.phone("101", ring_ms=3000); l.wait(l.call("+15550101", l.num(), bye_ms=3000))
    l.truth(l.num(), "+15550101", "answered", False, False, 3)
@sc("09-ringgroup-nobody")
def _(l):
    """Dial(100&101,15) nobody answers."""
    l.phone("100", mode="ring"); l.phone("101", mode="ring"); l.wait(l.call("+15550101", l.num()))
    l.truth(l.num(), "+15550101", "no-answer", True, True, 15)
@sc("10-ringgroup-caller-abandons")
def _(l):
    """Dial(100&101): caller cancels after 7 s."""
    l.phone("100", mode="ring"); l.phone("101", mode="ring"); l.wait(l.call("+15550101", l.num(), cancel_ms=7000))
    l.truth(l.num(), "+15550101", "abandoned", True, True, 7)
@sc("11-hunt-second-answers")
def _(l):
    """Dial(100,6) then Dial(101,6): second answers."""
    l.phone("100", mode="ring"); l.phone("101", ring_ms=2000, talk_ms=3000); l.wait(l.call("+15550102", l.num()))
    l.truth(l.num(), "+15550102", "answered", False, False, 8)
@sc("13-queue-answered")
def _(l):
    """Answer + Queue(support): agent 100 does not answer (6 s), agent 101 answers after 2 s; or the other way round (rrmemory)."""
    l.phone("100", ring_ms=2500); l.phone("101", ring_ms=2500); l.wait(l.call("+15550103", l.num(), bye_ms=14000))
    l.truth(l.num(), "+15550103", "answered", False, False, 3)
@sc("14-queue-caller-abandons")
def _(l):
    """Answer + Queue(support): agents ring, the caller (an answered channel) hangs up after 9 s with BYE."""
    l.phone("100", mode="ring"); l.phone("101", mode="ring"); l.wait(l.call("+15550103", l.num(), bye_ms=9000))
    l.truth(l.num(), "+15550103", "queue-abandoned", True, True, 9)
@sc("15-queue-timeout")
def _(l):
    """Answer + Queue(support,,,,18): nobody answers, QUEUESTATUS=TIMEOUT, PBX hangs up."""
    l.phone("100", mode="ring"); l.phone("101", mode="ring"); l.wait(l.call("+15550103", l.num()))
    l.truth(l.num(), "+15550103", "queue-timeout", True, True, 18)
@sc("17-voicemail-message-left")
def _(l):
    """Dial(100,6) rings out, VoiceMail(u): the caller talks (RTP) and hangs up with BYE: message saved."""
    l.phone("100", mode="ring"); l.wait(l.call("+15550104", l.num(), name="WIRELESS CALLER", bye_ms=13000, rtp=_l.tone(), dtmf=[(1500, "#")]))
    l.truth(l.num(), "+15550104", "voicemail", True, True, 6, "WIRELESS CALLER", policy="a message was left")
    d = "%s/root%s/var/spool/asterisk/voicemail/default/100/INBOX" % (_l.LAB, l.v)
    l.extra["voicemail_files"] = sorted(os.listdir(d)) if os.path.isdir(d) else []
@sc("18-voicemail-hangup-in-greeting")
def _(l):
    """Dial(100,6) rings out, VoiceMail(u) answers; the caller hangs up 2 s into the greeting."""
    l.phone("100", mode="ring"); l.wait(l.call("+15550104", l.num(), bye_ms=2000))
    l.truth(l.num(), "+15550104", "voicemail-hangup", True, True, 6)
@sc("19-ivr-abandon")
def _(l):
    """IVR answers and plays a menu; caller hangs up after 4 s without a choice."""
    l.wait(l.call("+15550105", l.num(), bye_ms=4000))
    l.truth(l.num(), "+15550105", "menu-abandoned", True, True, 0, policy="nobody's phone rang; product setting")
@sc("20-ivr-extension-answered")
def _(l):
    """IVR, caller dials 100, phone answers after 3 s, caller hangs up."""
    l.phone("100", ring_ms=3000); l.wait(l.call("+15550105", l.num(), dtmf=[(1500, "1"), (300, "0"), (300, "0")], bye_ms=8000))
    l.truth(l.num(), "+15550105", "answered", False, False, 3)
@sc("21-ivr-extension-not-answered")
def _(l):
    """IVR, caller dials 101, phone rings out (8 s), announcement, hangup by the PBX."""
    l.phone("101", mode="ring"); l.wait(l.call("+15550105", l.num(), dtmf=[(1500, "1"), (300, "0"), (300, "1")]))
    l.truth(l.num(), "+15550105", "no-answer", True, True, 8)
@sc("22-outbound-unanswered")
def _(l):
    """phone 100 calls +15557770122 over the trunk, no answer, phone gives up after 8 s. Must not count."""
    l.cell(mode="ring"); l.wait(l.call("15557770122", "100", ip=_l.PH["100"], cancel_ms=8000))
    l.truth("100", "+15557770122", "outbound", False, False, 8, "Alice", direction="out")
@sc("23-outbound-answered")
def _(l):
    """phone 100 calls out, the customer answers and hangs up later."""
    l.cell(ring_ms=2000, talk_ms=4000); l.wait(l.call("15557770123", "100", ip=_l.PH["100"]))
    l.truth("100", "+15557770123", "outbound", False, False, 2, "Alice", direction="out")
@sc("24-internal-unanswered")
def _(l):
    """phone 100 calls phone 101, which rings out (10 s). Must not count."""
    l.phone("101", mode="ring"); l.wait(l.call("101", "100", ip=_l.PH["100"]))
    l.truth("100", "101", "internal", False, False, 10, "Alice", direction="internal")
@sc("25-anonymous-no-answer")
def _(l):
    """From: "Anonymous" <sip:anonymous@anonymous.invalid>, rings out."""
    l.phone("100", mode="ring"); l.wait(l.call("+15550101", "anonymous", anon=True))
    l.truth("anonymous", "+15550101", "no-answer", True, False, 15, "Anonymous", notes="no number to text")
@sc("26-very-short-ring-abandon")
def _(l):
    """caller cancels 1.2 s after the INVITE."""
    l.phone("100", mode="ring"); l.wait(l.call("+15550100", l.num(), cancel_ms=1200))
    l.truth(l.num(), "+15550100", "abandoned", True, True, 1, policy="with min_ring above the ring time: no text, too-short")
@sc("27-hangup-before-dial")
def _(l):
    """Progress+Playback(noanswer)+Wait, no Dial; caller cancels after 3 s."""
    l.wait(l.call("+15550106", l.num(), cancel_ms=3000))
    l.truth(l.num(), "+15550106", "abandoned", True, True, 0, policy="nobody's phone rang; product setting")
@sc("27b-announcement-only-pbx-hangs-up")
def _(l):
    """the same, heard to the end: PBX hangs up without ever answering or dialling."""
    l.wait(l.call("+15550106", l.num()))
    l.truth(l.num(), "+15550106", "closed", True, True, 0, policy="nobody's phone rang; product setting")
@sc("27c-after-hours-announcement")
def _(l):
    """after hours: Answer, announcement, hangup by the PBX; no phone rings."""
    l.wait(l.call("+15550114", l.num()))
    l.truth(l.num(), "+15550114", "closed", True, True, 0, policy="nobody's phone rang; product setting")
@sc("28b-blind-transfer-answered")
def _(l):
    """100 answers, blind transfers (REFER) to 101, which answers."""
    l.phone("100", ring_ms=2000, refer=(2000, "101")); l.phone("101", ring_ms=2000); l.wait(l.call("+15550100", l.num(), bye_ms=9000))
    l.truth(l.num(), "+15550100", "answered", False, False, 2)
@sc("29-attended-transfer-dtmf")
def _(l):
    """100 answers, *2 101 (feature code attended transfer), 101 answers, 100 hangs up; caller talks to 101."""
    l.phone("100", ring_ms=1500, dtmf=[(1500, "*"), (200, "2"), (1800, "1"), (200, "0"), (200, "1")], talk_ms=6000); l.phone("101", ring_ms=1500); l.wait(l.call("+15550100", l.num(), bye_ms=14000))
    l.truth(l.num(), "+15550100", "answered", False, False, 2)
@sc("30-followme-local-answered")
def _(l):
    """Dial(Local/...@outbound/n): the mobile answers after 3 s."""
    l.cell(ring_ms=3000); l.wait(l.call("+15550107", l.num(), bye_ms=4000))
    l.truth(l.num(), "+15550107", "answered", False, False, 3)
@sc("31-followme-local-not-answered")
def _(l):
    """Dial(Local/...@outbound/n,15): the mobile rings out."""
    l.cell(mode="ring"); l.wait(l.call("+15550107", l.num()))
    l.truth(l.num(), "+15550107", "no-answer", True, True, 15)
@sc("31b-followme-caller-abandons")
def _(l):
    """Dial(Local/...@outbound/n): caller cancels after 5 s."""
    l.cell(mode="ring"); l.wait(l.call("+15550107", l.num(), cancel_ms=5000))
    l.truth(l.num(), "+15550107", "abandoned", True, True, 5)
@sc("32-same-caller-two-lines")
def _(l):
    """the same caller calls two lines at once: line 00 (phone 100) is answered after 2 s, line 31 (phone 102) rings 6 s and is cancelled by the caller."""
    l.phone("100", ring_ms=2000); l.phone("102", mode="ring")
    p = l.call("+15550100", l.num(), bye_ms=9000); time.sleep(0.3); q = l.call("+15550131", l.num(), cancel_ms=6000); l.wait(p, q)
    l.truth(l.num(), "+15550100", "answered", False, False, 2); l.truth(l.num(), "+15550131", "abandoned", True, False, 6, policy="the caller is being helped on the other line")
@sc("33-abandon-then-answered-5s-later")
def _(l):
    """caller cancels after 4 s, calls again 5 s later and is answered."""
    p = l.phone("100", mode="ring"); l.wait(l.call("+15550100", l.num(), cancel_ms=4000)); time.sleep(1); l.end(p)
    time.sleep(4); l.phone("100", ring_ms=1500); l.wait(l.call("+15550100", l.num(), bye_ms=3000))
    l.truth(l.num(), "+15550100", "abandoned", True, False, 4, policy="answered on the second try 5 s later: a grace period has to hold the SMS back", order=1); l.truth(l.num(), "+15550100", "answered", False, False, 2, order=2)
@sc("34-congestion-no-route")
def _(l):
    """six calls one after another: trunk answers 404, trunk answers 503, Hangup(34), Hangup(3), Congestion(), Busy()."""
    c = l.cell(mode="reject", code=404, reason="Not Found", ring_ms=50, progress=False); l.wait(l.call("+15550109", l.num(1))); l.end(c)
    c = l.cell(mode="reject", code=503, reason="Service Unavailable", ring_ms=50, progress=False); l.wait(l.call("+15550109", l.num(2))); l.end(c)
    l.truth(l.num(1), "+15550109", "unreachable", True, True, 0, notes="forwarded out, carrier says 404"); l.truth(l.num(2), "+15550109", "unreachable", True, True, 0, notes="forwarded out, carrier says 503")
    for k, d, n in ((3, "+15550118", "Hangup(34)"), (4, "+15550119", "Hangup(3)"), (5, "+15550120", "Congestion(3)"), (6, "+15550121", "Busy(3)"), (7, "+15550122", "Hangup(21): blocked caller"), (8, "+15559990000", "unknown DID, Hangup(1)")):
        l.wait(l.call(d, l.num(k)))
        l.truth(l.num(k), d, "rejected" if k == 7 else "unreachable", k != 7, k not in (7, 8), 0, notes=n + (" (no channel is ever created: 404 from the PBX, not one event)" if k == 8 else ""), policy="" if k not in (7, 8) else "blocked / not our number")
@sc("36-stasis-answered")
def _(l):
    """call enters Stasis(ivrapp) of another ARI application, which answers it, plays a sound and hangs up after 4 s."""
    q = subprocess.Popen([sys.executable, _l.HERE + "/bin/rec.py", "ws://127.0.0.1:8088/ari/events?app=ivrapp&api_key=textback:textback-secret", l.work + "/ivrapp.jsonl"]); time.sleep(0.7)
    p = l.call("+15550111", l.num()); time.sleep(1.5)
    for c in _l.ari("GET", "/channels"):
        if c["dialplan"].get("app_name", "") in ("Stasis", "") or c["name"].startswith("PJSIP/trunk"):
            _l.ari("POST", "/channels/%s/answer" % c["id"]); _l.ari("POST", "/channels/%s/play?media=sound:vm-intro" % c["id"]); time.sleep(3); _l.ari("DELETE", "/channels/%s" % c["id"])
    l.wait(p); q.terminate(); q.wait()
    l.truth(l.num(), "+15550111", "menu-abandoned", True, None, 0, policy="answered by a machine (another ARI application)")
@sc("36b-park-caller-abandons")
def _(l):
    """100 answers, parks the caller (blind transfer to 700); the caller hangs up in the parking lot."""
    l.phone("100", ring_ms=1500, refer=(2000, "700")); l.wait(l.call("+15550100", l.num(), bye_ms=7000))
    l.truth(l.num(), "+15550100", "answered", False, False, 2)
@sc("36d-confbridge")
def _(l):
    """caller lands alone in a ConfBridge room: ChannelEnteredBridge without any Dial and without a second party."""
    l.wait(l.call("+15550124", l.num(), bye_ms=4000))
    l.truth(l.num(), "+15550124", "abandoned", True, True, 0, policy="alone in a conference")
@sc("37-pbx-killed-in-mid-call")
def _(l):
    """one call talking, one ringing; Asterisk is killed with SIGKILL, started again 3 s later; then a third call is abandoned."""
    l.phone("100", ring_ms=1000); l.phone("102", mode="ring")
    p = l.call("+15550100", l.num(1), bye_ms=9000); time.sleep(2.5); q = l.call("+15550131", l.num(2), cancel_ms=9000); time.sleep(3)
    l.extra["channels_before_kill"] = _l.ari("GET", "/channels")
    _l.stop(l.v, signal.SIGKILL); time.sleep(3); _l.start(l.v); time.sleep(1)
    l.extra["channels_after_restart"] = _l.ari("GET", "/channels")
    time.sleep(6); l.end(p); l.end(q)
    for x in list(l.procs): l.end(x)
    l.phone("100", mode="ring"); l.wait(l.call("+15550100", l.num(3), cancel_ms=5000))
    l.truth(l.num(1), "+15550100", "answered", False, False, 1, notes="answered before the kill; no end event ever"); l.truth(l.num(2), "+15550131", "lost", True, True, 3, notes="rang at the kill; no end event ever", policy="the PBX died with the call unanswered: lost"); l.truth(l.num(3), "+15550100", "abandoned", True, True, 5)
@sc("37b-pbx-graceful-stop-in-mid-call")
def _(l):
    """the same with 'core stop now' (what systemctl stop does)."""
    l.phone("100", ring_ms=1000); l.phone("102", mode="ring")
    p = l.call("+15550100", l.num(1), bye_ms=9000); time.sleep(2.5); q = l.call("+15550131", l.num(2), cancel_ms=9000); time.sleep(3)
    _l.cli(l.v, "core stop now"); time.sleep(3); _l.stop(l.v, signal.SIGKILL); _l.start(l.v); time.sleep(2)
    l.truth(l.num(1), "+15550100", "answered", False, False, 1); l.truth(l.num(2), "+15550131", "lost", True, True, 3, also=["no-answer"])
    for x in list(l.procs): l.end(x)
@sc("37c-websocket-gap")
def _(l):
    """only the websocket is cut for 4 s: call 1 talks before and ends in the gap; call 2 rings before, during and after and is abandoned after it; call 3 begins and is abandoned wholly within the gap; call 4 begins in the gap, abandoned after."""
    l.phone("100", ring_ms=1000); l.phone("102", mode="ring")
    a = l.call("+15550100", l.num(1), bye_ms=4500); time.sleep(2.5); b = l.call("+15550131", l.num(2), cancel_ms=9000); time.sleep(2)
    l.rec.send_signal(signal.SIGUSR1); time.sleep(0.3)
    c = l.call("+15550106", l.num(3), cancel_ms=1500); d = l.call("+15550125", l.num(4), cancel_ms=6000); time.sleep(2.7); l.extra["channels_in_gap"] = _l.ari("GET", "/channels"); time.sleep(1.6)
    l.extra["channels_after_reconnect"] = _l.ari("GET", "/channels"); l.wait(a, b, c, d)
    l.truth(l.num(1), "+15550100", "answered", False, False, 1, notes="end not seen"); l.truth(l.num(2), "+15550131", "abandoned", True, True, 9); l.truth(l.num(3), "+15550106", "abandoned", True, True, 0, notes="not in the event stream at all"); l.truth(l.num(4), "+15550125", "abandoned", True, True, 6, notes="ChannelCreated and Dial not in the stream")
@sc("39-pbx-answers-then-rings-no-answer")
def _(l):
    """Answer() first, then Dial(100,10,m): channel Up before any phone rings; nobody answers."""
    l.phone("100", mode="ring"); l.wait(l.call("+15550115", l.num()))
    l.truth(l.num(), "+15550115", "no-answer", True, True, 10)
@sc("41-forwarded-302")
def _(l):
    """phone 100 answers 302 Moved Temporarily to a mobile; it answers."""
    l.phone("100", mode="reject", code=302, reason="Moved Temporarily", ring_ms=50, progress=False, hdr="Contact: <sip:15557770199@127.0.40.1>\n"); l.cell(ring_ms=2000)
    l.wait(l.call("+15550100", l.num(), bye_ms=4000, maxwait=25000))
    l.truth(l.num(), "+15550100", "answered", False, False, 2, notes="Dial peer 100 ends CANCEL with forward=<number>, forwarded=<Local channel>; answered on the mobile")
@sc("42-hold-then-caller-hangs-up")
def _(l):
    """100 answers, puts the caller on hold (re-INVITE sendonly); the caller hangs up on hold."""
    l.phone("100", ring_ms=1500, hold=2000); l.wait(l.call("+15550100", l.num(), bye_ms=7000))
    l.truth(l.num(), "+15550100", "answered", False, False, 2, notes="answered, abandoned on hold")
@sc("43b-local-ringgroup-answered")
def _(l):
    """the same, 101 answers after 3 s."""
    l.phone("100", mode="ring"); l.phone("101", ring_ms=3000); l.wait(l.call("+15550126", l.num(), bye_ms=4000))
    l.truth(l.num(), "+15550126", "answered", False, False, 3)
@sc("44-click-to-call-originate")
def _(l):
    """ARI originate: rings phone 100 first (answers), then dials the customer, who does not answer. Must not count."""
    l.phone("100", ring_ms=1500, talk_ms=9000); l.cell(mode="ring")
    _l.ari("POST", "/channels?endpoint=PJSIP/100&extension=15557770144&context=from-internal&priority=1&callerId=%2B15550100")
    time.sleep(13)
    l.truth("100", "+15557770144", "outbound", False, False, 9, direction="out", notes="the first leg is an outgoing channel to the phone that has no caller channel")
@sc("45-message-sip")
def _(l):
    """SIP MESSAGE phone 100 -> PBX, and ARI sendMessage -> phone 101."""
    l.raw(_l.sipx.message_uas(), _l.PH["101"], 5060); p = l.sipp(_l.sipx.message("textback", "100", "127.0.40.100", "hello from the phone"), _l.PH["100"]); l.wait(p)
    res = {}
    for name, to in (("endpoint", "pjsip:101"), ("uri", "pjsip:sip:101@127.0.40.101:5060"), ("endpoint/uri", "pjsip:trunk/sip:+15551230001@127.0.40.101:5060")):
        try: res[name] = {"to": to, "reply": _l.ari("PUT", "/endpoints/sendMessage?to=%s&from=sip:textback@127.0.40.1&body=hello%%20from%%20ARI" % to.replace("+", "%2B"))}
        except Exception as e: res[name] = {"to": to, "error": repr(e), "body": e.read().decode() if hasattr(e, "read") else ""}
    time.sleep(1); l.extra["sendMessage"] = res
    l.extra["phone101_got"] = open(l.procs[0].f + ".msg").read() if os.path.exists(l.procs[0].f + ".msg") else ""
@sc("49b-local-channel-answered-by-phone")
def _(l):
    """the same line, phone 100 answers after 2 s."""
    l.phone("100", ring_ms=2000); l.wait(l.call("+15550132", l.num(), bye_ms=3000))
    l.truth(l.num(), "+15550132", "answered", False, False, 2)
@sc("50-queue-local-member-answered")
def _(l):
    """Answer + Queue whose member is Local/100@exts/n; the phone answers after 2 s."""
    l.phone("100", ring_ms=2000); l.wait(l.call("+15550133", l.num(), bye_ms=6000))
    l.truth(l.num(), "+15550133", "answered", False, False, 2)
@sc("60-two-missed-at-once")
def _(l):
    """two callers at the same time on two lines: both phones ring, both callers give up, half a second apart."""
    l.phone("100", mode="ring"); l.phone("102", mode="ring")
    p = l.call("+15550100", l.num(1), cancel_ms=5000); q = l.call("+15550131", l.num(2), cancel_ms=5500); l.wait(p, q)
    l.truth(l.num(1), "+15550100", "abandoned", True, True, 5); l.truth(l.num(2), "+15550131", "abandoned", True, True, 5)
