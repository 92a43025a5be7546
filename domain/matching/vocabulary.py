"""
The words that mean something of their own in names and addresses: Danish, Nordic, German and English.

Written by hand from general knowledge of these languages; nothing here was counted in a register.
"""

from __future__ import annotations

from domain.matching.text import folded_map, folded_set, plain_set

LEGAL_FORMS = folded_set(
    "as aps ivs amba fmba smba asa ans ab hb kb oy oyj ky gmbh mbh ug kg kgaa ohg ag ev eg ltd limited plc llp llc inc"
    " incorporated corp corporation co company lp bv nv vof cv sa sas sarl sas srl spa sl se oü ou uab sia kft doo zoo"
    " aktieselskab anpartsselskab aktiebolag pty pte"
)
"""Dropped at either end of a name; those of two letters that are also words (I/S, K/S, P/S) only with their stroke."""

FUNCTION_WORDS = folded_set("og and und och et y & the of for af til på in im am der die das den det de du la le")
"""Never tell two firms apart."""

NAME_SHORT_FORMS = folded_map(
    "ctr=center centre=center centret=center intl=international int=international natl=national assn=association"
    " assoc=association ass=association dept=department univ=university mfg=manufacturing svc=service svcs=service"
    " serv=service services=service bros=brothers brdr=brødrene sch=school acad=academy inst=institute"
    " dev=development mgmt=management tech=technology saint=st sankt=st skt=st sct=st mt=mount ft=fort"
    " eng=engineering entr=entreprise maskinfabr=maskinfabrik tømrerfa=tømrerfirma murerfa=murerfirma"
    " ejd=ejendomme ejendom=ejendomme ejendomsselskabet=ejendomsselskab dk=danmark denmark=danmark kbh=københavn"
    " cph=københavn copenhagen=københavn aps=aps adv=advokat advokaterne=advokat afd=afdeling"
    " chr=christian fr=frederik joh=johannes kr=kristian gl=gammel ndr=nordre sdr=søndre comm=community svs=service"
)

GENERIC_WORDS = folded_set(
    # Danish
    "firma firmaet selskab selskabet handel handels service teknik el vvs byg bygge entreprise entreprenør tømrer"
    " tømrermester tømrerfirma murer murermester murerfirma maler malerfirma malermester smed smede maskin maskinfabrik"
    " maskiner auto autoværksted biler transport vognmand vognmandsforretning fragt spedition rengøring rådgivning"
    " revision revisor regnskab advokat advokatfirma tandlæge tandlægerne læge lægehus lægerne klinik fysioterapi"
    " frisør salon cafe restaurant kro hotel pizzeria grill bageri bager slagter købmand dagligvarer kiosk apotek"
    " tøj sko mode møbler design grafisk tryk trykkeri reklame marketing medier web data it system systemer software"
    " konsulent konsulenter partner partnere gruppen group danmark dansk danske nordisk nordic skandinavien"
    " scandinavia scandinavian skole skolen børnehave børnehaven vuggestue institution kommune region forening"
    " foreningen klub klubben fond fonden menighed menighedsråd kirke kirken sogn gård gården land skov have haven"
    " anlæg anlægsgartner gartner gartneri vin mad fisk frugt grønt import export eksport engros lager butik butikken"
    " center centeret huset hus værksted værkstedet fabrik fabrikken industri afdeling andelsboligforening"
    " ejerforening grundejerforening boligforening bolig boliger vand varme vandværk fjernvarme energi miljø"
    " brødrene søn sønner eftf ny nye gammel lille store nord syd øst vest midt by byens"
    # Norwegian, Swedish, German
    " norge norsk sverige svensk svenska deutschland firman bygg rör måleri åkeri städ handlare haus bau technik"
    " handwerk verein gesellschaft vertrieb dienst"
    # English
    " services international national global world association organization organisation foundation institute"
    " university college school schools academy public community house home club care health medical hospital clinic"
    " dental center centers office offices shop store stores market bar grill kitchen food foods bakery pizza cleaning"
    " building construction plumbing electric electrical engineering manufacturing products production solutions"
    " systems technology technologies consulting management marketing media studio studios trading trade supply"
    " supplies equipment machine machinery motor motors cars garage repair logistics freight shipping travel tours"
    " energy water power green blue red new old great best first city town county state north south east west northern"
    " southern eastern western central main street park church society council children child kids day learning"
    " education training development network resource resources program programs family youth nursery daycare"
    " preschool kindergarten elementary high site st mount fort brothers sons department facility unit usa uk american"
    " europe european"
)
"""Said by many firms of a trade: sharing one means little, and lacking one means little."""

COMMON_NAMES = folded_set(
    "jensen nielsen hansen pedersen andersen christensen larsen sørensen rasmussen jørgensen petersen madsen"
    " kristensen olsen thomsen christiansen poulsen johansen møller mortensen knudsen jakobsen jacobsen mikkelsen"
    " frederiksen laursen lund holm schmidt eriksen kristiansen clausen simonsen svendsen andreasen iversen jeppesen"
    " vestergaard nissen lauridsen kjær jespersen mogensen jepsen dahl koch bech skov søgaard winther bach friis"
    " peter michael lars thomas jens henrik søren christian martin jan morten jesper anders mads rasmus per hans niels"
    " ole bo john kim erik karsten claus carsten brian kenneth allan bent finn jørgen knud svend poul kurt anne"
    " kirsten mette hanne anna helle susanne lene maria marianne lone camilla inge karen bente louise charlotte jette"
    " tina gitte karin johansson andersson karlsson nilsson eriksson larsson olsson persson svensson johnsen berg"
    " smith jones brown williams johnson miller davis wilson taylor müller schneider fischer weber meyer wagner becker"
    " james robert william richard david joseph george charles mary"
)
"""Borne by many: a shared one says less than a shared invented word."""

SISTER_WORDS = folded_set(
    "holding holdings holdingselskab ejendomme ejendomsselskab properties property estate invest investment"
    " investments leasing finans finance capital kapital administration drift group gruppen udlejning development"
    " udvikling pension personale datter komplementar komplementarselskab international retail"
)
"""One firm of a family has it in its name, its sister does not: Nordic Windows, Nordic Windows Holding."""

STRONG_SISTER_WORDS = folded_set(
    "holding holdings holdingselskab ejendomme ejendomsselskab properties property invest investment investments"
    " leasing kapital komplementar komplementarselskab udlejning"
)

DIRECTIONS = folded_map("n=n north=n s=s south=s e=e east=e w=w west=w ne=ne nw=nw se=se sw=sw")
STREET_KINDS = folded_map(
    "street=st steet=st st=st str=st avenue=ave ave=ave av=ave aven=ave boulevard=blvd boul=blvd blvd=blvd bl=blvd"
    " blv=blvd road=rd rd=rd drive=dr dr=dr lane=ln ln=ln court=ct ct=ct place=pl pl=pl parkway=pkwy pkwy=pkwy"
    " pky=pkwy highway=hwy hwy=hwy terrace=ter ter=ter way=way square=sq sq=sq circle=cir cir=cir plaza=plz plz=plz"
    " expressway=expy expy=expy trail=trl trl=trl pike=pike turnpike=tpke alley=aly close=cl crescent=cres"
)
"""English street kinds, which follow the street's name as words of their own."""

UNIT_WORDS = folded_set(
    "suite ste apt apartment unit flat floor fl room rm bldg building level lower upper sal etage dør lejl th tv mf kl"
    " stuen kælder hal opgang lok kontor og first second third ground basement dept bygning bygn hus port etg"
)

DANISH_STREET_SHORT_FORMS = folded_map(
    "gl=gammel gml=gammel nr=nørre ndr=nordre sdr=søndre v=vester ø=øster n=nørre s=sønder st=store sct=sankt"
    " skt=sankt ll=lille l=lille kgs=kongens chr=christian fr=frederik frb=frederiksberg hovedg=hovedgaden"
    " dr=doktor prof=professor pl=plads bdw=boulevard blv=boulevard boul=boulevard alle=alle"
)
DANISH_STREET_ENDINGS = folded_map("vj=vej v=vej g=gade gd=gade gt=gade al=alle str=strasse straße=strasse pl=plads")

FREE_MAIL = plain_set(
    "gmail.com googlemail.com hotmail.com hotmail.dk hotmail.co.uk hotmail.se hotmail.de outlook.com outlook.dk"
    " outlook.de live.com live.dk live.se msn.com yahoo.com yahoo.dk yahoo.co.uk ymail.com icloud.com me.com mac.com"
    " aol.com gmx.de gmx.net gmx.com web.de t-online.de mail.com mail.dk email.dk mail.tele.dk tdcadsl.dk tdcspace.dk"
    " tdc.dk post.tele.dk get2net.dk stofanet.dk jubii.dk jubiimail.dk ofir.dk ofir.com privat.dk vip.cybercity.dk"
    " cybercity.dk pc.dk webspeed.dk youmail.dk oncable.dk fiberpost.dk energimail.dk c.dk city.dk mailme.dk sol.dk"
    " mail.ru yandex.ru proton.me protonmail.com pm.me fastmail.com zoho.com telia.com bredband.net comhem.se"
    " spray.se online.no broadpark.no frisurf.no orange.fr wanadoo.fr free.fr laposte.net libero.it comcast.net"
    " verizon.net sbcglobal.net att.net bellsouth.net btinternet.com sky.com qq.com 163.com e-mail.dk firma.tele.dk"
    " profibermail.dk waoomail.dk waoo.dk nrn.dk bbsyd.dk gvdnet.dk mvb.net dlgmail.dk dlgtele.dk"
)
"""Mail providers: many firms write from there."""

SHARED_SITES = plain_set(
    "facebook.com fb.com instagram.com linkedin.com twitter.com x.com youtube.com google.com goo.gl wix.com"
    " wixsite.com wordpress.com blogspot.com weebly.com squarespace.com shopify.com myshopify.com one.com krak.dk"
    " proff.dk degulesider.dk trustpilot.com trustpilot.dk tripadvisor.com virk.dk github.io"
)
"""Sites that hold pages of many firms."""
