# One end of a proof, in the network namespace of a container: answers its peers and checks them, and tells
# what went and what came. Goes behind agent-base.pl.
#
# Arguments: this text, role, the run's token (16 hex digits), own number, own address, MTU of the container,
# bytes of the TCP check, seconds that a check waits, seconds after which it ends by itself, streams at once.
# Input, a line each; its end ends the program:
#   peer NUMBER ADDRESS NAME TCP-PORT UDP-PORT CHECK…    avoid NUMBER ADDRESS    light    heavy    end
# Output, each line behind token and role:
#   ready TCP-PORT UDP-PORT    failed WHY    light-done    heavy-done    bye
#   dns NUMBER ANSWER    icmp NUMBER SENT ANSWERED MILLISECONDS ERRNO    mtu NUMBER 0|1
#   connect NUMBER MILLISECONDS|ERRNO    tcp NUMBER ok|WHY    came NUMBER DATAGRAMS    reached NUMBER
my ($program, $role, $token, $me, $address, $mtu, $payload, $patience, $seconds, $at_once) = @ARGV;
alarm $seconds;
my ($small, $more, $datagrams) = (5, 20, 3);       # echoes at first, echoes more on loss, datagrams
my (%peer, %avoid, %came, %dns, %echo, %link, @queue, $icmp, $udp, $resolver, $phase, $began, $data);
my ($streams, $slots) = (0, 0);
# Whoever else is on the network may send what he wants: that takes a share of the time and of the file numbers,
# not all. Packets read before anything else is looked at, and connections held for one address.
my ($in_a_row, $per_address) = (64, 4);

sub report { syswrite STDOUT, join(' ', $token, $role, @_) . "\n" }

sub wanted { my $to = shift; grep { my $check = $_; grep { $_ eq $check } @{ $peer{$to}{checks} } } @_ }

# The same bytes on every host, without a pattern that a cut or a swap would survive.
sub payload {
    my ($x, @numbers) = hex substr $token, 0, 7;
    for (1 .. 16381) { $x = ($x * 1103515245 + 12345) & 0x7fffffff; push @numbers, $x }
    my $block = pack 'N*', @numbers;
    return substr $block x (1 + $payload / length $block), 0, $payload;
}

# --- names

sub ask_names {
    # Connected: what others send to this port is not taken for an answer.
    socket $resolver, AF_INET, SOCK_DGRAM, 0;
    nonblocking($resolver);
    connect $resolver, pack_sockaddr_in(53, inet_aton('127.0.0.11'));
    my $answered = sub {
        for (1 .. $in_a_row) {
            my $from = recv $resolver, my $packet, 4096, 0;
            if (!defined $from) {
                if ($!{ECONNREFUSED}) { $_->{error} = name($! + 0) for values %dns }
                return;
            }
            my ($number, $flags, $asked, $answers) = unpack 'n n n n', $packet;
            next unless defined $answers and $dns{$number} and !$dns{$number}{answer};
            $dns{$number}{answer} = first_address($packet, $asked, $answers)
                // ($flags & 15 ? 'rcode ' . ($flags & 15) : 'no address');
        }
    };
    $read{ fileno $resolver } = $answered;
    for my $to (grep { wanted($_, 'dns') } keys %peer) {
        my @labels = grep { length and length() < 64 } split /\./, $peer{$to}{name};
        my $name = join '', map { chr(length) . $_ } @labels;
        $dns{$to} = { query => pack('n6', $to, 0x0100, 1, 0, 0, 0) . "$name\0" . pack('n n', 1, 1) };
    }
    for my $delay (0, 0.4, 1.2) {
        after($delay, sub {
            for my $its (grep { !$_->{answer} } values %dns) {
                defined send $resolver, $its->{query}, 0 or $its->{error} = name($! + 0);
                $answered->();                     # or a burst overflows what the socket may hold
            }
        });
    }
}

sub skip_name {
    my ($packet, $at) = @_;
    while ($at < length $packet) {
        my $size = ord substr $packet, $at, 1;
        return $at + 2 if $size >= 192;
        return $at + 1 unless $size;
        $at += 1 + $size;
    }
    return $at;
}

sub first_address {
    my ($packet, $asked, $answers) = @_;
    my $at = 12;
    $at = 4 + skip_name($packet, $at) for 1 .. $asked;
    for (1 .. $answers) {
        $at = skip_name($packet, $at);
        my ($type, undef, undef, $size) = unpack 'n n N n', substr $packet, $at, 10;
        return undef unless defined $size;
        my $value = substr $packet, $at + 10, 4;
        return inet_ntoa($value) if $type == 1 and $size == 4 and length $value == 4;
        $at += 10 + $size;
    }
    return undef;
}

# --- echo requests: round trip, loss, whether the largest passes uncut, and what answers that must not

sub open_icmp {
    socket $icmp, AF_INET, SOCK_RAW, 1 or return 0;
    setsockopt $icmp, 0, 10, 3;                    # IP_MTU_DISCOVER, IP_PMTUDISC_PROBE: never cut up
    setsockopt $icmp, SOL_SOCKET, SO_RCVBUF, 1 << 20;
    setsockopt $icmp, 255, 1, pack('L', ~1 & 0xffffffff);   # ICMP_FILTER: not the others' requests as well
    nonblocking($icmp);
    $read{ fileno $icmp } = sub {
        for (1 .. $in_a_row) {
            return unless defined recv $icmp, my $packet, 65536, 0;
            my $header = 4 * (ord($packet) & 15);
            my ($type, undef, $token_, $from, $to, $number) = unpack "x$header C C x6 H16 n n n", $packet;
            next unless defined $number and $type == 0 and $token_ eq $token and $from == $me;
            if ($number >= 300) { $avoid{$to}{reached} = 1 if $avoid{$to}; next }
            my $its = $echo{$to} or next;
            my $at = delete $its->{at}{$number} // next;
            if    ($number < 100) { push @{ $its->{trips} }, now() - $at }
            elsif ($number < 200) { $its->{full} = 1 }
            else                  { $its->{warm} //= start_series($to) }
        }
    };
    return 1;
}

sub is_readable { my $in = ''; vec($in, fileno $_[0], 1) = 1; return select($in, undef, undef, 0) > 0 }

sub ping {
    my ($to, $number, $size, $where) = @_;
    my $its = $echo{$to};
    $its->{sent}++ if $number < 100;
    $its->{at}{$number} = now() if $number < 300;
    my $packet = echo_request(pack('n H16 n n n', $number, $token, $me, $to, $number), $size);
    defined send $icmp, $packet, 0, pack_sockaddr_in(0, inet_aton($where)) or $number >= 300
        or $its->{error} = name($! + 0);
}

sub lossy { my $its = $echo{ $_[0] }; @{ $its->{trips} } < $its->{sent} }

sub poor {                                         # worth another look: a busy host makes a way look slow
    my ($shortest) = sort { $a <=> $b } @{ $echo{ $_[0] }{trips} };
    return lossy($_[0]) || $shortest > 0.005;
}

# The first packets between two containers may wait for the engines to look each other's rows up, for a second
# after a restart. That is no loss, and no round trip: what is measured begins with the first answer.
sub start_echoes {
    my @peers = grep { wanted($_, 'icmp', 'mtu') } keys %peer;
    %echo = map { $_ => { sent => 0, tries => 0, trips => [], at => {}, full => 0, error => '-' } } @peers;
    my ($delay, $n) = (0, 0);
    while ($delay < $patience) {
        my $number = 200 + $n++ % 100;
        after($delay, sub {
            for (grep { !$echo{$_}{warm} } @peers) {
                $echo{$_}{tries}++;
                ping($_, $number, 84, $peer{$_}{address});
            }
        });
        $delay += $delay < 0.1 ? 0.03 : $delay < 0.6 ? 0.1 : 0.3;
    }
    for my $n (0, 1) {
        after($n * 0.1, sub { ping($_, 300 + $n, 84, $avoid{$_}{address}) for keys %avoid });
    }
}

sub start_series {
    my $to = shift;
    my ($its, $where) = ($echo{$to}, $peer{$to}{address});
    after($_ * 0.01, do { my $n = $_; sub { ping($to, $n, 84, $where) } }) for 0 .. $small - 1;
    for my $delay (wanted($to, 'mtu') ? (0.005, 0.1, 0.3, 0.7) : ()) {
        after($delay, sub { $its->{full} or ping($to, 100 + int(100 * rand), $mtu, $where) });
    }
    # On loss more of them, spread: a lost packet tells nothing, five of twenty-five tell a rate.
    for my $n (0 .. $more - 1) {
        after(0.3 + $n * 0.02, sub {
            $its->{more} = poor($to) unless $n;
            ping($to, $small + $n, 84, $where) if $its->{more};
        });
    }
    datagram($to, $_) for wanted($to, 'udp') && now() - $began > 0.15 ? 0 .. $datagrams - 1 : ();
    return now();
}

sub echoes_over {                                  # of a peer, whatever came of them
    my ($to, $passed) = @_;
    my $its = $echo{$to};
    return $passed >= $patience unless $its->{warm};
    my $since = now() - $its->{warm};
    return 1 if $since > 1.1;
    return 0 if wanted($to, 'mtu') and !$its->{full};
    return $its->{sent} >= $small && !lossy($to) && (!poor($to) || $its->{sent} >= $small + $more);
}

# --- datagrams, which the receiver counts: the only check that is of one direction alone

sub open_udp {
    socket $udp, AF_INET, SOCK_DGRAM, 0;
    setsockopt $udp, SOL_SOCKET, SO_RCVBUF, 1 << 20;
    bind $udp, pack_sockaddr_in(0, inet_aton($address)) or return 0;
    nonblocking($udp);
    $read{ fileno $udp } = sub {
        for (1 .. $in_a_row) {
            return unless defined recv $udp, my $packet, 2048, 0;
            $came{$1}{$2} = 1 if $packet =~ /^$token (\d{1,6}) (\d{1,2})$/;
        }
    };
    return 1;
}

sub start_datagrams {
    my @peers = grep { wanted($_, 'udp') } keys %peer;
    for my $n (0 .. $datagrams - 1) {
        after($n * 0.07, sub { datagram($_, $n) for @peers });
    }
}

sub datagram {
    my ($to, $n) = @_;
    send $udp, "$token $me $n", 0, pack_sockaddr_in($peer{$to}{udp}, inet_aton($peer{$to}{address}));
}

# --- connections, and 1 MiB through some of them

sub open_tcp {
    socket my $listener, AF_INET, SOCK_STREAM, 0;
    bind $listener, pack_sockaddr_in(0, inet_aton($address)) or return 0;
    listen $listener, SOMAXCONN or return 0;
    nonblocking($listener);
    my %held;
    my $number = fileno $listener;
    my $accept = sub {
        for (1 .. $in_a_row) {
            my $from = accept(my $c, $listener);
            if (!$from) {
                return unless $!{EMFILE} or $!{ENFILE};
                # It would be ready again at once, for as long as no file number is free.
                my $do = delete $read{$number};
                return after(0.1, sub { $read{$number} = $do });
            }
            my $who = (unpack_sockaddr_in($from))[1];
            if (($held{$who} // 0) >= $per_address) { close $c; next }
            $held{$who}++;
            nonblocking($c);
            receive($c, sub { --$held{$who} or delete $held{$who} });
        }
    };
    $read{$number} = $accept;
    return $listener;
}

# What comes must be the token, and then the payload to its last byte; what is right is acknowledged.
sub receive {
    my ($c, $over) = @_;
    my ($head, $at, $wrong) = ('', 0, 0);
    $read{ fileno $c } = sub {
        my $got = sysread $c, my $chunk, 262144;
        return if !defined $got and ($!{EAGAIN} or $!{EINTR});
        my $missing = length($token) - length $head;
        $head .= substr $chunk, 0, $missing, '' if $got and $missing;
        if (!$got or $head ne substr $token, 0, length $head) { forget($c); return $over->() }
        return unless length $chunk;
        $data //= payload();
        $wrong ||= $chunk ne substr $data, $at, length $chunk;
        $at += length $chunk;
        return if $at < $payload and !$wrong;
        syswrite $c, $wrong ? "wrong\n" : "right\n";
        $wrong = $at = 0;
    };
}

sub connect_all {
    for my $to (grep { wanted($_, 'connect', 'tcp') } keys %peer) {
        my $s;
        unless (socket $s, AF_INET, SOCK_STREAM, 0) { report('connect', $to, name($! + 0)); next }
        nonblocking($s);
        # What waits here to be sent is not seen to move: on a slow way a stream would seem to stand still.
        setsockopt $s, SOL_SOCKET, SO_SNDBUF, 65536;
        my $its = $link{$to} = { to => $to, socket => $s, at => now() };
        my $where = pack_sockaddr_in($peer{$to}{tcp}, inet_aton($peer{$to}{address}));
        unless (connect($s, $where) or $!{EINPROGRESS}) {
            connected($its, name($! + 0));
            next;
        }
        $write{ fileno $s } = sub {
            delete $write{ fileno $s };
            my $errno = unpack 'i', getsockopt $s, SOL_SOCKET, SO_ERROR;
            connected($its, $errno ? name($errno) : sprintf '%.3f', 1000 * (now() - $its->{at}));
        };
    }
    after($patience, sub { connected($_, 'ETIMEDOUT') for values %link });
}

sub connected {
    my ($its, $how) = @_;
    return if $its->{connected};
    $its->{connected} = $how;
    report('connect', $its->{to}, $how);
    forget($its->{socket}) if $how =~ /^E/ or !wanted($its->{to}, 'tcp');
    $its->{open} = $how !~ /^E/;
}

sub start_streams {
    # Each host begins with the one after it, so that they don't all load the first one at once.
    my @ready = sort { $a <=> $b } grep { wanted($_, 'tcp') } keys %link;
    @queue = ((grep { $_ > $me } @ready), (grep { $_ < $me } @ready));
    $data //= payload();
    $slots = $at_once;
    next_stream();
}

sub next_stream {
    while ($slots > 0 and defined(my $to = shift @queue)) {
        my $its = $link{$to};
        if (!$its->{open}) { report('tcp', $to, 'no connection'); next }
        $streams++;
        $slots--;
        carry($its);
    }
}

sub carry {
    my $its = shift;
    my ($s, $head, $at) = ($its->{socket}, $token, 0);
    $its->{moved} = now();
    my $over = sub {
        return if $its->{over}++;
        report('tcp', $its->{to}, @_);
        forget($s);
        $streams--;
        $slots++ unless $its->{stands};
        next_stream();
    };
    # One that stands still does not keep the others waiting for as long as it is waited for.
    $its->{look} = sub {
        my $still = now() - $its->{moved};
        if ($still > 1 and !$its->{stands}++) { $slots++; next_stream() }
        $over->("stalled after $at bytes") if $still > $patience;
    };
    $write{ fileno $s } = sub {
        my $put = length $head ? syswrite $s, $head : syswrite $s, $data, 262144, $at;
        return if !defined $put and ($!{EAGAIN} or $!{EINTR});
        return $over->(name($! + 0)) unless defined $put;
        $its->{moved} = now();
        if (length $head) { substr($head, 0, $put) = '' } else { $at += $put }
        delete $write{ fileno $s } if $at >= $payload;
    };
    $read{ fileno $s } = sub {
        my $got = sysread $s, my $answer, 64;
        return if !defined $got and ($!{EAGAIN} or $!{EINTR});
        return $over->(name($! + 0)) unless defined $got;
        $over->($answer eq "right\n" ? 'ok' : $got ? 'other bytes came' : 'closed');
    };
}

# --- what it is told, and when it is done

sub begin {
    $phase = shift;
    $began = now();
    if ($phase eq 'light') {
        ask_names();
        start_echoes();
        start_datagrams();
        connect_all();
    }
    else { start_streams() }
}

sub look_whether_done {
    return unless $phase;
    my $passed = now() - $began;
    if ($phase eq 'heavy') {
        $_->{look} and !$_->{over} and $_->{look}->() for values %link;
        return if $streams or @queue;
        $phase = '';
        return report('heavy-done');
    }
    if ($passed < $patience) {
        return if $passed < $datagrams * 0.07 or grep { !$_->{connected} } values %link;
        return if grep { !$_->{answer} } values %dns or %avoid && $passed < 0.4;
    }
    # Nothing is lost as long as answers wait to be read, as they do on a host that is very busy.
    return if $passed < $patience + 6 and is_readable($icmp);
    return if grep { !echoes_over($_, $passed) } keys %echo;
    $phase = '';
    report('dns', $_, $dns{$_}{answer} // $dns{$_}{error} // 'no answer') for keys %dns;
    report('reached', $_) for grep { $avoid{$_}{reached} } keys %avoid;
    for my $to (keys %echo) {
        my $its = $echo{$to};
        my @trips = sort { $a <=> $b } @{ $its->{trips} };
        my $shortest = @trips ? sprintf '%.3f', 1000 * $trips[0] : '-';
        my $sent = $its->{warm} ? $its->{sent} : $its->{tries};
        report('icmp', $to, $sent, scalar @trips, $shortest, $its->{error});
        report('mtu', $to, $its->{full}) if wanted($to, 'mtu');
    }
    report('light-done');
}

sub told {
    my ($what, @rest) = @_;
    if ($what eq 'peer') {
        my ($number, $where, $name, $tcp, $port, @checks) = @rest;
        $peer{$number} = { address => $where, name => $name, tcp => $tcp, udp => $port, checks => \@checks };
    }
    elsif ($what eq 'avoid') { $avoid{ $rest[0] } = { address => $rest[1] } }
    elsif ($what eq 'light' or $what eq 'heavy') { begin($what) }
    elsif ($what eq 'end') {
        report('came', $_, scalar keys %{ $came{$_} }) for keys %came;
        report('bye');
    }
}

$SIG{PIPE} = 'IGNORE';
my $listener = open_tcp();
if (!$listener or !open_udp() or !open_icmp()) { report('failed', name($! + 0)) }
else {
    report('ready', map { (unpack_sockaddr_in(getsockname $_))[0] } $listener, $udp);
}
run(\&told, \&look_whether_done, sub { $phase });
